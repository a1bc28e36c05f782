"""What listings and pages show of the head of ``main``, read from its files once a commit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from enfold.hub.records import cards
from enfold.hub.records.schema import Repository
from enfold.hub.server import weights
from enfold.hub.store import ObjectStore, trees

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["HeadFacts", "read", "write"]

_LONGEST = 1_000_000
_SHOWN_OF_CONFIG = ("architectures", "model_type", "auto_map", "tokenizer_config", "quantization_config", "peft")


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """The files at a head that describe a repository: its card, what is shown of a model's config, its weights."""

    readme: str | None
    config: dict[str, Any] | None
    parameters: dict[str, int] | None = None
    """Parameters by dtype, of weights in the safetensors format."""


def read(store: ObjectStore, tree: str, state: HubState) -> HeadFacts:
    """Read them; what is too long or not what it should be counts as missing.

    Args:
        store: the repository.
        tree: the root tree at the head.
        state: where large files are, which weights mostly are.
    """
    return HeadFacts(
        _text(store, tree, b"README.md"),
        _config(_text(store, tree, b"config.json")),
        weights.parameters_at(state, store, tree),
    )


def write(session: Session, repository: Repository, sha: str, facts: HeadFacts) -> None:
    """Put them in the records, in the transaction that moves ``main``."""
    mine = session.get_one(Repository, repository.id)
    cards.describe(session, mine, sha=sha, readme=facts.readme, config=facts.config)
    total = sum(facts.parameters.values()) if facts.parameters else None
    mine.safetensors = {"parameters": facts.parameters, "total": total} if facts.parameters else None
    mine.parameters = total


def _text(store: ObjectStore, tree: str, path: bytes) -> str | None:
    entry = trees.find_entry(store, tree, path)
    if entry is None or entry.mode & 0o170000 != 0o100000 or store.size(entry.oid) > _LONGEST:
        return None
    return store.blob(entry.oid).decode("utf-8", "replace").replace("\0", "\ufffd")


def _config(text: str | None) -> dict[str, Any] | None:
    try:
        config = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(config, dict):
        return None
    return {name: config[name] for name in _SHOWN_OF_CONFIG if name in config}
