"""What can be wrong with a request to the records.

RecordsError             (an EnfoldError)
 ├─ InvalidName          a name that no account or repository may have (also an InputError)
 ├─ NameTaken            a name that is in use, whatever its case
 ├─ NotKnown             an account, a token, a repository that is not there
 ├─ OverQuota            more bytes than an account may keep
 └─ RefMoved             a ref that is not where the writer believed it to be
"""

from __future__ import annotations

from enfold.errors import EnfoldError, InputError

__all__ = ["InvalidName", "NameTaken", "NotKnown", "OverQuota", "RecordsError", "RefMoved"]


class RecordsError(EnfoldError):
    """The records cannot do what was asked."""


class InvalidName(RecordsError, InputError):
    """A name that no account or repository may have."""


class NameTaken(RecordsError):
    """A name that is in use, whatever its case."""


class NotKnown(RecordsError):
    """Something that is not in the records."""


class OverQuota(RecordsError):
    """More bytes than an account may keep."""


class RefMoved(RecordsError):
    """A ref is not where the writer believed it to be: somebody else moved it in between.

    Args:
        name: the ref.
        expected: where the writer believed it to be; null: not there.
        found: where it is.
    """

    def __init__(self, name: str, expected: str | None, found: str | None) -> None:
        super().__init__(f"{name} is at {found or 'no commit'}, not at {expected or 'no commit'}")
        self.name = name
        self.expected = expected
        self.found = found
