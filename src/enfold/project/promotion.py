"""Which model is in service, and how it came there: one small file, replaced by rename."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from enfold.errors import ServiceError
from enfold.files import read_json, write_json


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model that was put in service: when, why, and what was in service before."""

    revision: str
    kind: Literal["promotion", "rollback"]
    reason: str
    at: str


class ServiceRecord:
    """The history of what was in service; its last line is what is in service now.

    A running server polls `revision`, which reads one small file, and swaps the model when it changes.
    """

    def __init__(self, models: Path) -> None:
        self._models = models
        self._path = models / "serving.json"

    def history(self) -> list[Promotion]:
        """All promotions and rollbacks, oldest first."""
        if not self._path.is_file():
            return []
        return [Promotion(**item) for item in read_json(self._path)["history"]]

    def revision(self) -> str | None:
        """The revision in service, or None before the first."""
        history = self.history()
        return history[-1].revision if history else None

    def was_served(self, revision: str) -> bool:
        """Whether a model was ever in service: one that was taken out of it does not come back by itself."""
        return any(step.revision == revision for step in self.history())

    def folder(self, revision: str | None = None) -> Path:
        """The folder of a model that was put in service; by default of the one in service now.

        Raises:
            ServiceError: there is none.
        """
        wanted = revision or self.revision()
        if wanted is None:
            raise ServiceError("no model is in service yet; make one with: enfold run")
        folder = self._models / wanted
        if not folder.is_dir():
            known = sorted(item.name for item in self._models.iterdir() if item.is_dir() and item.name[0] != ".")
            raise ServiceError(f"no model {wanted!r} in {self._models}; there are: {', '.join(known) or 'none'}")
        return folder

    def promote(self, revision: str, *, reason: str) -> Promotion:
        """Put a model in service.

        Raises:
            ServiceError: there is no such model.
        """
        return self._append(revision, "promotion", reason)

    def rollback(self) -> Promotion:
        """Put the model back that was in service before the present one; a second rollback goes one further back.

        Raises:
            ServiceError: there is nothing before it.
        """
        stack: list[str] = []
        for step in self.history():
            if step.kind == "rollback":
                stack.pop()
            else:
                stack.append(step.revision)
        if len(stack) < 2:
            raise ServiceError("nothing to roll back to: no other model was in service before")
        return self._append(stack[-2], "rollback", f"rollback from {stack[-1]}")

    def _append(self, revision: str, kind: Literal["promotion", "rollback"], reason: str) -> Promotion:
        self.folder(revision)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        step = Promotion(revision=revision, kind=kind, reason=reason, at=now)
        history = [asdict(item) for item in [*self.history(), step]]
        write_json(self._path, {"revision": revision, "history": history})
        return step
