"""Places in a listing of one commit: the commit and what was listed last, opaque to clients.

The commit is named so that all pages are of the same one, also when the branch moves between them.
"""

from __future__ import annotations

import base64
import binascii

from enfold.hub.server.errors import HubError

__all__ = ["read_cursor", "write_cursor"]

_OID_BYTES = 20


def write_cursor(commit: str, last: bytes) -> str:
    """The cursor of the page behind ``last``."""
    return base64.urlsafe_b64encode(bytes.fromhex(commit) + last).decode("ascii")


def read_cursor(cursor: str) -> tuple[str, bytes]:
    """The commit and the last entry that a cursor stands for.

    Raises:
        HubError: it is not one that the hub made (400).
    """
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) <= _OID_BYTES:
        raise HubError(400, "cursor is wrong: take the address of the next page from the Link header as it is")
    return raw[:_OID_BYTES].hex(), raw[_OID_BYTES:]
