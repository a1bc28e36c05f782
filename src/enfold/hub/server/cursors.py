"""Cursors of listings that go by a number which only grows."""

from __future__ import annotations

import base64
import binascii

from enfold.hub.server.errors import HubError

__all__ = ["cursor_after", "read_cursor"]


def cursor_after(number: int) -> str:
    """The cursor of the page behind the row of this number."""
    return base64.urlsafe_b64encode(b"%d" % number).decode().rstrip("=")


def read_cursor(cursor: str | None) -> int | None:
    """The number in a cursor; None without one.

    Raises:
        HubError: it is not one of ours (400).
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not text.isdigit() or len(text) > 18:
        raise HubError(400, f"{cursor[:100]!r} is no cursor of this listing; start again without it")
    return int(text)
