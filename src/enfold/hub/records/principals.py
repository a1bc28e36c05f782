"""Who asks: nobody in particular, a user through a token, or the hub itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["ANONYMOUS", "Grant", "Principal", "Right", "Role", "Scope"]

Role = Literal["read", "contributor", "write", "admin"]
"""What a user may do in an organisation. A contributor writes to repositories of their own making."""
Scope = Literal["read", "write", "fineGrained"]
"""What a token may do: read all its user may read, write all its user may write, or what its grants say."""
Right = Literal["read", "write", "admin"]
"""What a grant of a fine-grained token allows; each contains the one before."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on all repositories of an account, or on one repository."""

    right: Right
    account_id: int | None = None
    repository_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, with all that decides what they may do; see `enfold.hub.records.permissions`."""

    kind: Literal["anonymous", "user", "job"]
    name: str = ""
    """The user's name, or what the hub is doing."""
    account_id: int | None = None
    is_admin: bool = False
    """An admin of the hub."""
    roles: Mapping[int, Role] = field(default_factory=dict)
    """Role by account: the user's own account, where they are admin, and their organisations."""
    accepted: frozenset[int] = frozenset()
    """Gated repositories that the user was let into."""
    mirrored: frozenset[int] = frozenset()
    """Private and gated repositories of the upstream hub that the user is listed as a reader of."""
    token_id: int | None = None
    token_name: str = ""
    scope: Scope = "read"
    grants: tuple[Grant, ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody has signed in."""
        return self.kind == "anonymous"

    @property
    def may_write_anything(self) -> bool:
        """Whether there is anything that this principal may write; a read token may write nothing."""
        if self.kind == "user" and self.scope == "fineGrained":
            return any(grant.right != "read" for grant in self.grants)
        return self.kind == "job" or (self.kind == "user" and self.scope == "write")

    @classmethod
    def job(cls, name: str) -> Principal:
        """The hub itself, doing ``name``."""
        return cls(kind="job", name=name, is_admin=True, scope="write")


ANONYMOUS = Principal(kind="anonymous")
"""Nobody in particular."""
