"""Having files looked at by a confined child, which asks for the bytes it wants and can do nothing else.

Its death, by memory, time or anything it does not expect, means "not scanned" for the file it was at, and nothing for
the others.
"""

from __future__ import annotations

import contextlib
import json
import logging
import pickletools
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from enfold.hub.scans.confinement import SECONDS, confined

__all__ = ["SAFE", "Item", "Status", "Verdict", "scan"]

Status = Literal["safe", "unsafe", "not scanned"]

_CHILD = Path(__file__).with_name("scan_child.py")
_TOGETHER = 64
_MOST_READ = 4 << 30
_LONGEST_ANSWER = 200_000
_SAMPLE = 512
_STARTS = frozenset(ord(each.code) for each in pickletools.opcodes) | frozenset(b"P\x1fB\xfd7R\x93\x28")
_AT_ONCE = threading.BoundedSemaphore(2)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan found: ``findings`` name an ``import`` or a ``reason``, and what they are ``in`` in an archive."""

    status: Status
    findings: list[dict[str, str]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What was found, for people."""
        found = [f"imports {each['import']}" if "import" in each else each.get("reason", "") for each in self.findings]
        return "; ".join(dict.fromkeys(found[:5])) + (" …" if len(found) > 5 else "")


SAFE = Verdict("safe")


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be looked at.

    Attributes:
        size: its bytes.
        read: gives bytes from a place on, so many.
        named: whether its name says that it is a pickle.
    """

    size: int
    read: Callable[[int, int], Iterator[bytes]]
    named: bool = False


class _Ended(Exception):
    """The child is gone, or it did not keep to what was agreed."""


def scan(items: Sequence[Item]) -> list[Verdict]:
    """Have files looked at; what begins as no pickle and no archive can does not need the child."""
    found: list[Verdict | None] = [None if _may_be_a_pickle(item) else SAFE for item in items]
    waiting = [place for place, verdict in enumerate(found) if verdict is None]
    while waiting:
        with _AT_ONCE:
            done = _together([items[place] for place in waiting[:_TOGETHER]])
        if not done:  # the first of them ended the child
            done = [Verdict("not scanned", [{"reason": "the scan was ended by its limits"}])]
        for place, verdict in zip(waiting, done, strict=False):
            found[place] = verdict
        waiting = waiting[len(done) :]
    return [verdict for verdict in found if verdict is not None]


def _may_be_a_pickle(item: Item) -> bool:
    if item.size == 0:
        return False
    sample = b"".join(item.read(0, min(item.size, _SAMPLE)))
    return sample[:1] != b"" and (sample[0] in _STARTS or sample[257:262] == b"ustar")


def _together(items: Sequence[Item]) -> list[Verdict]:
    """Verdicts on the first of the files, up to the one at which the child ended."""
    found: list[Verdict] = []
    process = confined(_CHILD, memory="all", stdin=subprocess.PIPE)
    # Processor time is bounded by the child itself; this is for one that waits.
    timer = threading.Timer(2 * SECONDS, process.kill)
    timer.start()
    try:
        for item in items:
            found.append(_one(process, item))
            if item.size > 1 << 22:
                break  # the time of the next is its own
    except (_Ended, OSError, ValueError) as error:
        _log.info("a scan ended early: %s", error)
    finally:
        timer.cancel()
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()
    return found


def _one(process: subprocess.Popen[bytes], item: Item) -> Verdict:
    _tell(process, json.dumps({"size": item.size, "named": item.named}).encode() + b"\n")
    left = _MOST_READ
    while True:
        answer = _answer(process)
        if "read" not in answer:
            return _verdict(answer)
        start, length = answer["read"]
        if not (0 <= start <= start + length <= item.size and 0 < length <= 1 << 20):
            raise _Ended("it asked for bytes that are not there")
        left -= length
        if left < 0:
            raise _Ended("it read too much")
        _tell(process, b"".join(item.read(start, length)))


def _tell(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None, "it was started with a pipe"
    process.stdin.write(data)
    process.stdin.flush()


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None, "it was started with a pipe"
    line = process.stdout.readline(_LONGEST_ANSWER)
    if not line.endswith(b"\n"):
        raise _Ended("it said nothing more")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise _Ended("it said something else")
    return answer


def _verdict(answer: dict[str, Any]) -> Verdict:
    if answer.get("status") not in ("safe", "unsafe", "not scanned") or not isinstance(answer.get("findings"), list):
        raise _Ended("it said something else")
    findings = [{str(key): str(value)[:500] for key, value in each.items()} for each in answer["findings"]]
    return Verdict(answer["status"], findings)
