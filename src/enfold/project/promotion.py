"""Which model is in service, and how it came there: one small file, replaced by rename."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from enfold.errors import ServiceError
from enfold.files import read_json, write_json


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model that was put in service: when, why, and what was in service before."""

    revision: str
    previous: str | None
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
        self.folder(revision)
        history = self.history()
        step = Promotion(
            revision=revision,
            previous=history[-1].revision if history else None,
            reason=reason,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_json(self._path, {"revision": revision, "history": [asdict(item) for item in [*history, step]]})
        return step

    def rollback(self) -> Promotion:
        """Put the model back that was in service before the present one; a second rollback goes one further back.

        Raises:
            ServiceError: there is nothing before it.
        """
        stack: list[str] = []
        for step in self.history():
            if step.revision in stack:  # a rollback: what came after it is undone
                del stack[stack.index(step.revision) + 1 :]
            else:
                stack.append(step.revision)
        if len(stack) < 2:
            raise ServiceError("nothing to roll back to: only one model was ever in service")
        return self.promote(stack[-2], reason=f"rollback from {stack[-1]}")
