"""The routers of the pages, in the order they are matched: the last takes any name."""

from __future__ import annotations

from fastapi import APIRouter

from enfold.hub.pages import (
    admin,
    assets,
    avatars,
    branching,
    collecting,
    device,
    editing,
    files,
    gates,
    history,
    home,
    hooks,
    liking,
    making,
    repository,
    running,
    settings_pages,
    signing_in,
    talking,
    uploading,
)

__all__ = ["PAGES"]

PAGES: tuple[APIRouter, ...] = (
    assets.router,
    avatars.router,
    home.router,
    device.router,
    signing_in.router,
    settings_pages.router,
    hooks.router,
    collecting.router,
    admin.router,
    running.router,
    making.router,
    gates.router,
    liking.router,
    branching.router,
    files.router,
    history.router,
    talking.router,
    uploading.router,
    editing.router,
    repository.router,
)
