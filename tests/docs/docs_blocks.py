"""The pages of the documentation, and the code blocks in them."""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    """Of its first line of code, counted from 1."""
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first_word(self) -> str:
        words = self.code.split()
        return words[0] if words else ""


def page_names() -> list[str]:
    """README.md, README.zh-CN.md, CONTRIBUTING.md and every page under docs/."""
    below = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
    return ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", *below]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    text = read(page)
    return [
        Block(
            page=page,
            line=text.count("\n", 0, match.start("code")) + 1,
            language=match["language"],
            code=textwrap.dedent(match["code"]),
        )
        for match in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[list[str]]:
    """The words of each line that a shell block types, without comments."""
    lines = (shlex.split(line, comments=True) for line in block.code.replace("\\\n", " ").splitlines())
    return [words for words in lines if words]


def without_blocks(page: str) -> str:
    return _FENCE.sub("", read(page))
