"""The routes, a file a resource. A new file is a new line here; each has a ``router``."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import BaseRoute

from enfold.hub.server.routes import (
    access_requests,
    cas,
    collections,
    commit,
    discussions,
    duplicate,
    git,
    history,
    identity,
    information,
    lfs,
    lfs_copies,
    likes,
    listings,
    oauth,
    operation,
    refs,
    repositories,
    resolve,
    tags,
    trees,
    users,
    webhooks,
    xet_tokens,
)

__all__ = ["ROUTERS", "first_pieces", "routers"]

ROUTERS: tuple[APIRouter, ...] = (
    operation.router,
    identity.router,
    oauth.router,
    repositories.router,
    access_requests.router,
    discussions.router,
    collections.router,
    likes.router,
    users.router,
    tags.router,
    webhooks.router,
    listings.router,
    information.router,
    trees.router,
    refs.router,
    history.router,
    duplicate.router,
    commit.router,
    xet_tokens.router,
    cas.router,
    lfs.router,
    lfs_copies.router,
    git.router,
    resolve.router,
)
"""In the order they are matched: an address of fixed pieces goes before one that takes any name."""


def routers() -> tuple[APIRouter, ...]:
    """The routers above, and then those of the web pages, of which one takes any name."""
    from enfold.hub.pages.routes import PAGES

    return (*ROUTERS, *PAGES)


def first_pieces() -> frozenset[str]:
    """The first pieces of all addresses with one of their own, which no account may be called."""
    routes: list[BaseRoute] = [route for router in routers() for route in router.routes]
    pieces = {getattr(route, "path", "/").split("/")[1] for route in routes}
    return frozenset(piece for piece in pieces if piece and "{" not in piece)
