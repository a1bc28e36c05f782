"""A reader who types the blocks of a page, one after another."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from docs_blocks import Block, commands
from typer.testing import CliRunner

from enfold.cli.main import app

ADDRESS = re.compile(r"(?:http://)?(?:127\.0\.0\.1|localhost):8000")
PREDICTION = re.compile(r"\b[0-9a-f]{32}\b")
REVISION = re.compile(r"\b[0-9a-f]{12}\b")


class Reader:
    """Runs blocks in the current folder.

    `enfold …` runs in this process. `enfold serve &` serves on a free port until the page ends, and the address
    `127.0.0.1:8000` then means that port. `curl` is understood as far as the pages use it. An id of a prediction on a
    page stands for the last one that the server gave, a revision for the newest model that is not in service, as a
    reader would put in his own. Python blocks of a page share their names.

    Args:
        as_process: serve by the command itself, in a process of its own, which takes seconds to start; otherwise with
            what the command calls, in a thread of this process.
    """

    def __init__(self, *, as_process: bool) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.as_process = as_process
        self.url = ""
        self.prediction = ""
        self._until_the_end = ExitStack()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: Any) -> None:
        self._until_the_end.__exit__(*error)

    def run(self, block: Block) -> None:
        if block.language == "python":
            # Blank lines in front, so that a traceback names the line of the page.
            source = "\n" * (block.line - 1) + ADDRESS.sub(lambda _: self._url(block), block.code)
            exec(compile(source, block.page, "exec"), self.names)
            return
        for words in commands(block):
            self._command(words, block)

    def _command(self, words: list[str], block: Block) -> None:
        if words[0] == "curl":
            self._curl(words[1:], block)
        elif words == ["enfold", "serve", "&"]:
            assert not self.url, f"{block}: a page starts one server"
            self.url = self._until_the_end.enter_context(served_by_the_command() if self.as_process else served())
        elif words[0] == "enfold" and "serve" not in words:
            words = [REVISION.sub(lambda _: newest_not_in_service(), word) for word in words]
            done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
            assert done.exit_code == 0, f"{block}: {shlex.join(words)} ended with {done.exit_code}:\n{done.output}"
        else:
            raise AssertionError(f"{block}: no way to run {shlex.join(words)!r} in a test")

    def _url(self, block: Block) -> str:
        assert self.url, f"{block}: the page has not started a server yet"
        return self.url

    def _curl(self, arguments: list[str], block: Block) -> None:
        body, headers, addresses = None, {}, []
        words = iter(arguments)
        for word in words:
            if word == "-d":
                body = PREDICTION.sub(lambda _: self.prediction, next(words)).encode()
            elif word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word != "-s":
                addresses.append(word)
        assert len(addresses) == 1 and ADDRESS.match(addresses[0]), f"{block}: curl {arguments}"
        url = ADDRESS.sub(lambda _: self._url(block), addresses[0])
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{block}: {url} answered {error.code}: {error.read().decode()}") from error
        if "predictions" in answer:
            self.prediction = answer["predictions"][-1]["id"]


@contextmanager
def served_by_the_command() -> Iterator[str]:
    """The URL of `enfold serve`, stopped at the end as Ctrl-C does; it must end well."""
    server = subprocess.Popen(
        [sys.executable, "-m", "enfold", "serve", "--port", "0"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    try:
        said = server.stdout.readline()
        found = re.search(r"http://[\d.:]+", said)
        assert found, said + server.stdout.read()
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=60)
    assert server.returncode == 0, rest


@contextmanager
def served() -> Iterator[str]:
    """The URL of the project in the current folder, served in a thread."""
    from enfold import Project
    from enfold.project.service import PromotedModel, serving_settings
    from enfold.serving import background_server, create_app

    project = Project.open(Path.cwd())
    settings = serving_settings(project.settings.serving, host=None, port=0, api_key=None)
    source = PromotedModel(project.folder / "models")
    with project.feedback() as store, background_server(lambda: create_app(source, store, settings), settings) as url:
        yield url


def newest_not_in_service() -> str:
    """The revision of the newest model in the current project that is not in service."""
    record = json.loads(Path("models/serving.json").read_text(encoding="utf-8"))
    others = [path for path in Path("models").iterdir() if path.is_dir() and path.name != record["revision"]]
    return max(others, key=lambda path: path.stat().st_mtime).name
