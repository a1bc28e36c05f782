"""What scans said, kept by the id of the content: a git id, or the sha256 of a large file.

The same bytes are judged more strictly where their name says that they are a pickle, so there are two results for
some: `result_key` makes the second from the first.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.schema import ScanResult, now
from enfold.hub.scans.scanning import Verdict

__all__ = ["PICKLE_NAMES", "both_keys", "keep", "known", "named_as_pickle", "not_safe", "result_key"]

PICKLE_NAMES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".p")
"""How the names of pickles end."""
_AT_ONCE = 500
_NAMED = "pickle "


def named_as_pickle(path: str | bytes) -> bool:
    """Whether a name says that the file is a pickle."""
    text = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
    return text.lower().endswith(PICKLE_NAMES)


def result_key(content: str, path: str | bytes) -> str:
    """What the result for a file is kept by.

    Args:
        content: its git id, or the sha256 of a large file.
        path: its name.
    """
    return _NAMED + content if named_as_pickle(path) else content


def both_keys(content: str) -> tuple[str, str]:
    """What the results for content are kept by, whatever it is called."""
    return content, _NAMED + content


def known(session: Session, keys: Iterable[str]) -> dict[str, Verdict]:
    """The results there are, by key."""
    wanted = sorted(set(keys))
    found: dict[str, Verdict] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        chosen = sa.select(ScanResult).where(ScanResult.content.in_(wanted[start : start + _AT_ONCE]))
        for each in session.scalars(chosen):
            found[each.content] = Verdict(each.status, each.findings)  # type: ignore[arg-type]
    return found


def keep(session: Session, verdicts: dict[str, Verdict]) -> None:
    """Write results down; one that is there already stays."""
    for key, verdict in verdicts.items():
        insert_if_absent(session, ScanResult, content=key, status=verdict.status, findings=verdict.findings, at=now())


def not_safe(session: Session, contents: Iterable[str]) -> dict[str, Verdict]:
    """Of some contents those that were not found safe under every name they have, with what was found."""
    found: dict[str, Verdict] = {}
    for key, verdict in known(session, [key for each in contents for key in both_keys(each)]).items():
        if verdict.status != "safe":
            found[key.removeprefix(_NAMED)] = verdict
    return found
