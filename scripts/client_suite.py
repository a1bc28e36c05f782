"""Run the tests of the huggingface_hub client against a hub of our own, and print what passes, file by file.

    pip download --no-deps --no-binary :all: huggingface_hub==2.4.0 && tar xf huggingface_hub-2.4.0.tar.gz
    pip install pytest pytest-mock pytest-env pytest-asyncio pytest-vcr pytest-timeout jedi
    python scripts/client_suite.py huggingface_hub-2.4.0

The client is the installed one, unchanged. The tests are copied to a temporary folder, where the users, tokens and
address they name are exchanged for those of a hub on loopback, and the fixtures that the archive leaves out are added.
Every failure and skip must be explained by a line of ``client_suite_reasons.toml``; one that is not makes the exit
status 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "src"
USER, OTHER, OWNER, ORGANIZATION = "DummyHubUser", "DVUser", "EnterpriseAdmin", "EnterpriseOrgPrivate"


@dataclass
class Outcome:
    """What became of the tests of one file."""

    name: str
    passed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def row(self) -> str:
        """A row of the table."""
        return f"| {self.name} | {self.passed} | {len(self.failed)} | {len(self.skipped)} |"


def main() -> int:
    """Run what the command line names; 0 when nothing is unexplained."""
    parser = argparse.ArgumentParser(description="The client's own tests against a hub on loopback.")
    parser.add_argument("archive", type=Path, help="the unpacked source archive of huggingface_hub")
    parser.add_argument("--only", nargs="*", default=[], metavar="FILE", help="test files, instead of all")
    parser.add_argument("--select", default="", metavar="WORDS", help="pytest's -k")
    parser.add_argument("--show", action="store_true", help="print what pytest prints of failures")
    given = parser.parse_args()
    tests = sorted((given.archive / "tests").glob("test_*.py"))
    if not tests:
        parser.error(f"{given.archive} has no tests: it should be the unpacked source archive")
    if given.only:
        tests = [each for each in tests if each.name in given.only or each.stem in given.only]
    reasons = Reasons.read(HERE / "client_suite_reasons.toml")
    with tempfile.TemporaryDirectory(prefix="client-suite-") as folder:
        work = Path(folder)
        with hub(work / "root", work / "hub.log") as (url, tokens):
            copy = prepared(given.archive / "tests", work / "suite", url, tokens)
            print("| file | passed | failed | skipped | because |\n|---|---|---|---|---|", flush=True)
            outcomes = []
            for each in tests:
                outcomes.append(run(copy / each.name, work, url, select=given.select, show=given.show))
                print(f"{outcomes[-1].row()} {reasons.counted(outcomes[-1])} |", flush=True)
        trouble = [line for line in (work / "hub.log").read_text().splitlines() if re.search(r" 5\d\d ", line)]
    return report(outcomes, reasons, trouble)


@contextmanager
def hub(root: Path, log: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A hub with the users that the tests expect: its address and their tokens."""
    enfold = [sys.executable, "-m", "enfold", "hub"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    tokens = {}
    for name, more in ((USER, ("--full-name", "Dummy User")), (OTHER, ()), (OWNER, ())):
        answer = subprocess.check_output(
            [*enfold, "user", "add", name, "--root", str(root), *more], env=environment, text=True
        )
        tokens[name] = answer.split()[-1]
    for name, full_name, member in ((ORGANIZATION, ORGANIZATION, OWNER), ("valid_org_hub", "Dummy Hub Org", USER)):
        more = ["--full-name", full_name, "--member", member, "--root", str(root)]
        subprocess.check_call([*enfold, "org", "add", name, *more], env=environment, stdout=subprocess.DEVNULL)
    with log.open("w") as output:
        command = [*enfold, "serve", "--root", str(root), "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=output, text=True)
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SystemExit(f"the hub did not start:\n{log.read_text()}")
        try:
            yield found.group(), tokens
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def prepared(tests: Path, folder: Path, url: str, tokens: dict[str, str]) -> Path:
    """A copy of the tests that names this hub and its users."""
    copy = folder / "tests"
    shutil.copytree(tests, copy)
    shutil.copy(HERE / "client_suite_conftest.py", copy / "conftest.py")
    (copy / "__init__.py").touch()
    exchanged = {
        "USER": USER,
        "TOKEN": tokens[USER],
        "OTHER_TOKEN": tokens[OTHER],
        "ENTERPRISE_TOKEN": tokens[OWNER],
        "ENDPOINT_STAGING": url,
    }
    with (copy / "testing_constants.py").open("a") as constants:
        constants.writelines(f"{name} = {value!r}\n" for name, value in exchanged.items())
    return copy


def run(file: Path, work: Path, url: str, *, select: str, show: bool) -> Outcome:
    """Run one file in a process of its own."""
    results = work / f"{file.stem}.xml"
    home = work / "home" / file.stem
    home.mkdir(parents=True)
    # As little as there can be: the client looks for its own settings, for proxies and for signs of who runs it.
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    environment |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "HOME": str(home)}
    environment |= {"DISABLE_SYMLINKS_IN_WINDOWS_TESTS": "1", "NO_COLOR": "1", "COLUMNS": "200"}
    options = [
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "--rootdir",
        str(file.parent.parent),
        "--timeout=120",
    ]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={results}", f"--basetemp={home / 'tmp'}"]
    finished = subprocess.run(
        [*command, *(["-k", select] if select else []), str(file)],
        env=environment,
        cwd=file.parent.parent,
        text=True,
        capture_output=True,
    )
    if show:
        print(finished.stdout, flush=True)
    if not results.exists():
        return Outcome(file.name, failed=[("the whole file", (finished.stderr or finished.stdout)[-300:])])
    outcome = Outcome(file.name)
    for case in ET.parse(results).iter("testcase"):
        name = f"{case.get('classname', '').partition(file.stem)[2].lstrip('.')}::{case.get('name')}".removeprefix("::")
        fault = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if fault is not None:
            outcome.failed.append((name, (fault.get("message") or "").strip()))
        elif skipped is not None:
            outcome.skipped.append((name, (skipped.get("message") or "").strip()))
        else:
            outcome.passed += 1
    return outcome


@dataclass(frozen=True)
class Reasons:
    """Which feature is missing where a test fails or is skipped."""

    patterns: list[tuple[re.Pattern[str], str]]

    @classmethod
    def read(cls, path: Path) -> Reasons:
        """The reasons of a file."""
        pairs = tomllib.loads(path.read_text())["reasons"]
        return cls(
            [(re.compile(pattern, re.DOTALL), reason) for reason, patterns in pairs.items() for pattern in patterns]
        )

    def of(self, file: str, test: str, message: str) -> str | None:
        """The reason, by the first pattern found in ``file::test message``."""
        text = f"{file}::{test} {message}"
        return next((reason for pattern, reason in self.patterns if pattern.search(text)), None)

    def counted(self, outcome: Outcome) -> str:
        """The reasons of a file's failures and skips, each with how often it is one."""
        found: Counter[str] = Counter()
        for test, message in [*outcome.failed, *outcome.skipped]:
            found[self.of(outcome.name, test, message) or "UNEXPLAINED"] += 1
        return "; ".join(f"{reason} ({number})" for reason, number in found.most_common())


def report(outcomes: list[Outcome], reasons: Reasons, trouble: list[str]) -> int:
    """Print the sum and what has no reason; 1 when there is such, or the hub answered with an error of its own."""
    total, unexplained = Outcome("all"), 0
    for outcome in outcomes:
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
        for test, message in [*outcome.failed, *outcome.skipped]:
            if reasons.of(outcome.name, test, message) is None:
                unexplained += 1
                print(f"unexplained: {outcome.name}::{test}  {' '.join(message.split())[:400]}")
    print(f"{total.row()} |")
    for line in trouble:
        print(f"the hub failed: {line}")
    return 1 if unexplained or trouble else 0


if __name__ == "__main__":
    sys.exit(main())
