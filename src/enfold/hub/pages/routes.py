"""The routers of the pages, in the order they are matched: the last takes any name."""

from __future__ import annotations

from fastapi import APIRouter

from enfold.hub.pages import assets

__all__ = ["PAGES"]

PAGES: tuple[APIRouter, ...] = (assets.router,)
