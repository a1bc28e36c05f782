"""``enfold chat`` with a real model, over standard input."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def chat(lines: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from enfold.cli.main import run; run()", "chat", *arguments]
    return subprocess.run(
        command,
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )


def test_a_conversation_with_history() -> None:
    done = chat(
        "What is the capital of France?\n\n/forget\nWhat is 2 + 2?\n/quit\nnever said\n",
        "smollm2",
        "--max-new-tokens",
        "12",
    )
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout.splitlines()[0]
    assert len(done.stdout.strip().splitlines()) >= 2
    assert "never said" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such/folder/here"], "no/such/folder/here"),
        (["minilm"], "this tokenizer has no chat template"),
        (["smollm2", "--max-new-tokens", "0"], "max-new-tokens"),
    ],
)
def test_what_cannot_talk_is_one_line(arguments: list[str], message: str) -> None:
    done = chat("hello\n", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
