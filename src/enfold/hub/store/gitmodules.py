"""Checking ``.gitmodules``, which tells a client what to clone and where.

The hub never follows a submodule; clients do, and older ones could be made to run code by a name that leaves its folder
(CVE-2018-11235), an address or a path that reads as an option (CVE-2018-17456) or an update command. ``git fsck``
refuses the same.
"""

from __future__ import annotations

import re
from io import BytesIO

from dulwich.config import ConfigFile

from enfold.hub.store.git_errors import MalformedObject

__all__ = ["check_gitmodules"]

_LARGEST = 1 << 20


def check_gitmodules(data: bytes, oid: str) -> None:
    """Refuse a ``.gitmodules`` that could harm a client.

    Raises:
        MalformedObject: with the id of the blob and what is wrong.
    """
    what = f"blob {oid} (.gitmodules)"
    if len(data) > _LARGEST:
        raise MalformedObject(f"{what} is larger than {_LARGEST:,} bytes")
    try:
        config = ConfigFile.from_file(BytesIO(data), expand_includes=False)
        sections = [(section, list(config.items(section))) for section in config.sections()]
    except (ValueError, KeyError, IndexError, UnicodeError) as error:
        raise MalformedObject(f"{what} cannot be read: {error}") from error
    for section, values in sections:
        if not section or section[0].lower() != b"submodule" or len(section) < 2:
            continue
        name = section[1]
        if not name or b".." in re.split(rb"[/\\]", name):
            raise MalformedObject(f"{what} has a submodule whose name would leave its folder: {name!r}")
        for key, value in values:  # each of several values for one key
            key = key.lower()
            if key in (b"url", b"path") and value.startswith(b"-"):
                raise MalformedObject(f"{what}: the {key.decode()} of submodule {name!r} reads as an option: {value!r}")
            if key == b"url" and re.search(rb"[\n\r]|%0[aAdD]", value):
                raise MalformedObject(f"{what}: the url of submodule {name!r} holds a line end")
            if key == b"update" and value.startswith(b"!"):
                raise MalformedObject(f"{what}: submodule {name!r} would run a command when it is updated")
