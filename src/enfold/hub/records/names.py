"""Which names accounts and repositories may have.

Names are ASCII, so that no two that look alike differ, and unique whatever their case. Users, organisations and
canonical models share one namespace, because each is the first piece of an address; a piece that the server itself
answers at cannot be a name there. The second piece of an address after a repository without namespace is known too
(``/gpt2/resolve/…``), which is why a repository cannot be called ``resolve``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from enfold.hub.records.errors import InvalidName

__all__ = ["AFTER_REPOSITORY", "RESERVED", "check_account_name", "check_repository_name", "fold", "split_id"]

RESERVED = frozenset(
    """
    about account accounts admin api apps assets auth avatars bucket buckets cas chat collection collections console
    dataset datasets docs enterprise explore favicon.ico feed front git health help home hub inference invite join
    kernel kernels learn lfs login logout me metrics model models new notifications oauth openapi.json org organization
    organizations papers password posts pricing privacy raw register resolve robots.txt search security settings setup
    sign-in signin signup space spaces static status support tags tasks terms token tokens trending user users v1 v2 web
    webhooks welcome
    """.split()
)
"""First pieces of addresses that are kept for the server, beside those its routes have now."""

AFTER_REPOSITORY = frozenset(
    """
    access ask-access auth-check blame blob branch branches commit commits community compare discussions duplicate
    edit git-receive-pack git-upload-pack history info info.git lfs-files like likers paths-info preupload raw refs
    resolve revert revision safetensors-metadata settings super-squash tag tree upload user-access-report
    user-access-request view xet-read-token xet-write-token
    """.split()
)
"""Pieces that follow a repository in an address, and so cannot be the name of one."""

_LONGEST_ACCOUNT = 42
_LONGEST_REPOSITORY = 96
_ACCOUNT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)


def fold(name: str) -> str:
    """The form under which names are compared. Names are ASCII, so lower case is all there is to it."""
    return name.lower()


def split_id(full_name: str) -> tuple[str | None, str]:
    """``ns/name`` as its two pieces; the namespace of a canonical model is None."""
    namespace, slash, name = full_name.rpartition("/")
    return (namespace if slash else None), name


def check_account_name(name: str, *, taken_by_routes: Collection[str] = ()) -> None:
    """Refuse what cannot be the name of a user, an organisation or a canonical model.

    Args:
        name: the name.
        taken_by_routes: the first pieces of the server's addresses.

    Raises:
        InvalidName: says which rule the name breaks.
    """
    _check(name, "account", _ACCOUNT, _LONGEST_ACCOUNT)
    if fold(name) in RESERVED or fold(name) in {fold(piece) for piece in taken_by_routes}:
        raise InvalidName(f"the name {name!r} is reserved for the hub itself; choose another")


def check_repository_name(name: str) -> None:
    """Refuse what cannot be the name of a repository.

    Raises:
        InvalidName: says which rule the name breaks.
    """
    _check(name, "repository", _REPOSITORY, _LONGEST_REPOSITORY)
    if fold(name) in AFTER_REPOSITORY:
        raise InvalidName(f"a repository cannot be called {name!r}, which has a meaning in addresses; choose another")
    for ending in (".git", ".ipynb", ".lock"):
        if fold(name).endswith(ending):
            raise InvalidName(f"the name of a repository cannot end in {ending!r}: {name!r}")


def _check(name: str, what: str, pattern: re.Pattern[str], longest: int) -> None:
    if not name:
        raise InvalidName(f"the name of the {what} is empty")
    if len(name) > longest:
        raise InvalidName(f"the name of the {what} has {len(name)} characters, and at most {longest} are allowed")
    if not pattern.fullmatch(name):
        raise InvalidName(
            f"{name!r} cannot be the name of a {what}: letters of ASCII, digits, '-', '_' and '.' are allowed, and "
            "neither '-' nor '.' at its start or end"
            if what == "repository"
            else f"{name!r} cannot be the name of an {what}: letters of ASCII, digits, '-', '_' and '.' are allowed, "
            "with a letter or digit at its start and end"
        )
    for pair in ("--", ".."):
        if pair in name:
            raise InvalidName(f"{name!r} cannot be a name: {pair!r} is not allowed in names")
