"""Every code block of the documentation does what it says, from the top of each page to its end."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from docs_blocks import Block, blocks, commands, page_names, read
from docs_sample import use_service, write_files
from docs_shell import Reader

RUN = {"python", "sh", "console"}
SHOWN = {
    "text": "what a command prints, or what a file looks like",
    "toml": "lines of enfold.toml; what settings.md lists is compared with the code",
    "json": "what the service answers",
    "nginx": "the file in front of a hub; the hub's tests start a real nginx with it",
    "ini": "a unit for systemd, which tests cannot start",
}
NOT_RUN = {
    "pip": "installs a package",
    "make": "sets up an environment of its own; .ci/run calls make lint and make test",
    "python": "a benchmark, or the script that writes the reference tables, which test_docs_reference.py calls",
}
"""Shell blocks that begin with one of these are for a person, and why."""
IN_A_PROJECT = {"docs/evaluation.md", "docs/feedback.md", "docs/serving.md"}
SERVICE_WAS_USED = {"docs/feedback.md"}
WITH_THE_REAL_MODEL = {"docs/writing.md"}
"""What a model that was not trained writes is no text at all; the package index has a small one that was."""
SERVES_BY_THE_COMMAND = "docs/quickstart.md"
"""Where `enfold serve &` is a process of its own; elsewhere what it calls runs in a thread, to save seconds."""


def is_run(block: Block) -> bool:
    return block.language in RUN and (block.language == "python" or block.first_word not in NOT_RUN)


def pages_to_run() -> list[str]:
    # The code of README.zh-CN.md is that of README.md (tested below), so it is run once.
    return [page for page in page_names() if page != "README.zh-CN.md" and any(map(is_run, blocks(page)))]


@pytest.mark.parametrize("page", pages_to_run())
def test_the_code_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    folder = tmp_path / "folder"
    if page in IN_A_PROJECT:
        assert "in a project" in read(page).lower()
        shutil.copytree(request.getfixturevalue("finished_project"), folder)
    else:
        folder.mkdir()
        write_files(folder)
    if page in SERVICE_WAS_USED:
        use_service(folder)
    if page in WITH_THE_REAL_MODEL:
        monkeypatch.delenv("ENFOLD_HOME")
        monkeypatch.delenv("ENFOLD_OFFLINE")
    monkeypatch.chdir(folder)
    with Reader(as_process=page == SERVES_BY_THE_COMMAND) as reader:
        for block in filter(is_run, blocks(page)):
            reader.run(block)


@pytest.mark.parametrize("page", page_names())
def test_every_block_is_of_a_known_kind(page: str):
    for block in blocks(page):
        assert block.language in RUN | SHOWN.keys(), f"{block}: a block of kind {block.language!r}"
        if block.language in ("sh", "console"):
            typed = {words[0] for words in commands(block)}
            assert typed <= {"enfold", "curl"} or typed <= NOT_RUN.keys(), f"{block}: it types {sorted(typed)}"


@pytest.mark.parametrize("page", sorted({page for page in page_names() if "[" in read(page)}))
def test_fences_are_closed(page: str):
    assert len(re.findall(r"^ *```", read(page), re.MULTILINE)) == 2 * len(blocks(page))


def test_the_usual_tutorial_and_the_loop_in_python_are_among_them():
    tutorial = [block for block in blocks("docs/training.md") if "outputs.loss.backward()" in block.code]
    loop = [block for block in blocks("README.md") if "project.improve()" in block.code]
    assert len(tutorial) == len(loop) == 1
    assert is_run(tutorial[0]) and is_run(loop[0])
    assert [line for line in tutorial[0].code.splitlines() if "enfold" in line] == [
        "from enfold import BertForSequenceClassification, BertTokenizer  # was: from transformers import …"
    ]


def test_the_chinese_readme_has_the_code_of_the_english_one():
    english, chinese = blocks("README.md"), blocks("README.zh-CN.md")
    assert [block.language for block in chinese] == [block.language for block in english]
    for ours, theirs in zip(english, chinese, strict=True):
        assert _without_comments(theirs) == _without_comments(ours), theirs


def _without_comments(block: Block) -> str | list[list[str]]:
    if block.language == "python":
        return ast.dump(ast.parse(block.code))
    return commands(block)
