"""What the benchmarks of the hub stand on: servers in processes of their own, their memory, and rows of results."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "hub.jsonl"
PACKAGES = ("granian", "starlette", "fastapi", "sqlalchemy", "huggingface-hub", "hf-xet")
MIB = 1 << 20
GB = 10**9

# ---- rows -------------------------------------------------------------------------------------------------------


class Report:
    """Rows of one benchmark: printed as a table, and kept as JSON lines."""

    def __init__(self, name: str, question: str, settings: dict[str, Any], keep: Path | None) -> None:
        self.name = name
        self._settings = settings
        self._keep = keep
        print(
            f"\n## {name}: {question}\n\n| what | median | fastest to slowest | target | met |\n|---|---|---|---|---|"
        )

    def row(
        self,
        what: str,
        values: Sequence[float],
        unit: str,
        *,
        target: str = "",
        met: bool | None = None,
        median: float | None = None,
    ) -> float:
        """One row; gives the median."""
        middle = statistics.median(values) if median is None else median
        spread = f"{_shown(min(values))} to {_shown(max(values))}" if len(values) > 1 else ""
        answer = {None: "", True: "yes", False: "no"}[met]
        print(f"| {what} | {_shown(middle)} {unit} | {spread} | {target} | {answer} |", flush=True)
        if self._keep is not None:
            line = {
                "benchmark": self.name,
                "what": what,
                "median": middle,
                "values": list(values) if len(values) <= 20 else [min(values), middle, max(values)],
                "unit": unit,
                "target": target,
                "met": met,
                "settings": self._settings,
                **provenance(),
            }
            self._keep.parent.mkdir(exist_ok=True)
            with self._keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return middle

    def share(self, what: str, part: float, whole: float, target: float) -> None:
        """A row that holds one speed against another."""
        ratio = part / whole
        self.row(what, [100 * ratio], "%", target=f">= {100 * target:.0f} %", met=ratio >= target)

    def bound(self, what: str, values: Sequence[float], unit: str, most: float, *, quantile: float = 0.5) -> None:
        """A row whose quantile must not be above ``most``."""
        ordered = sorted(values)
        value = ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]
        named = "" if quantile == 0.5 else f", p{100 * quantile:.0f} of {len(ordered)}"
        self.row(what + named, values, unit, target=f"<= {_shown(most)} {unit}", met=value <= most, median=value)

    def note(self, text: str) -> None:
        """A row of words: what was left out, and why."""
        print(f"| {text} | | | | |", flush=True)


def _shown(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def provenance() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=HERE, capture_output=True, text=True)
    return {
        "commit": commit.stdout.strip(),
        "versions": versions(),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "cpu": _processor()},
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for program, flag in (("nginx", "-v"), ("git", "--version"), ("curl", "--version")):
        path = program_at(program)
        if path is not None:
            said = subprocess.run([path, flag], capture_output=True, text=True)
            number = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
            found[program] = number[0] if number else "?"
    return found


def _processor() -> str:
    with Path("/proc/cpuinfo").open() as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())


def program_at(name: str) -> str | None:
    """Where a program is; Debian keeps servers out of the users' PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


# ---- processes --------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: Sequence[str], *, ready: Callable[[subprocess.Popen[str]], None]) -> Iterator[subprocess.Popen]:
    """A server in a process group of its own, from when it is ready to the end of the block."""
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        ready(running)
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def wait_for_port(port: int, *, within: float = 20.0) -> None:
    end = time.monotonic() + within
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port} after {within:g} seconds")


def peer(role: str, *arguments: str) -> Any:
    """A server of hub_peers.py; as a context it gives the process, which listens on ``--port``."""
    port = arguments[arguments.index("--port") + 1]
    command = [sys.executable, str(HERE / "hub_peers.py"), role, *arguments]
    return process(command, ready=lambda running: wait_for_port(int(port)))


class Hub:
    """`enfold hub serve` on a root, with one user, ada."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = ""
        self.pid = 0
        self._context: Any = None

    def __enter__(self) -> Hub:
        if not (self.root / "format.json").exists():
            said = enfold("hub", "user", "add", "ada", "--admin", "--root", str(self.root))
        else:
            said = enfold("hub", "token", "add", "ada", "--root", str(self.root), "--name", f"bench {time.time()}")
        self.token = said.strip().splitlines()[-1]
        command = serve_command(self.root, self.port)
        self._context = process(command, ready=_says_where)
        running = self._context.__enter__()
        self.pid = running.pid
        threading.Thread(target=_drain, args=(running.stdout,), daemon=True).start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def processor_seconds(self) -> float:
        """What the server has used so far; a busy machine changes it little."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def memory(self) -> Iterator[list[float]]:
        """While the block runs, watch the server's memory; the list gets its peak in MB, all processes together."""
        peak: list[float] = []
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the highest so far is forgotten
        stop, most = threading.Event(), [0.0]

        def watch() -> None:
            while not stop.wait(0.2):
                most[0] = max(most[0], sum(map(resident, family(self.pid))))

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield peak
        finally:
            stop.set()
            watching.join()
            peak.append(max(most[0], resident(self.pid, "VmHWM")))


def _says_where(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    said = []
    for line in running.stdout:
        said.append(line)
        if line.startswith("the hub is at "):
            return
    raise SystemExit("the hub did not start:\n" + "".join(said))


def _drain(stream: Any) -> None:
    for _ in stream:
        pass


def family(pid: int) -> list[int]:
    """A process and those it started."""
    found = [pid]
    for each in found:
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def resident(pid: int, field: str = "VmRSS") -> float:
    """Resident memory in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)


def serve_command(root: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "enfold", "hub", "serve", "--root", str(root), "--port", str(port)]


def enfold(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "enfold", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"enfold {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def client(url: str, token: str, home: Path, script: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """Run a piece of Python with huggingface_hub's ``api`` in a process of its own; the dictionary it prints."""
    body = (
        "import json, sys, time\nfrom huggingface_hub import HfApi, CommitOperationAdd\n"
        f"api = HfApi(endpoint={url!r}, token={token!r})\narguments = sys.argv[1:]\n{script}"
    )
    settings = {
        **os.environ,
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **environment,
    }
    done = subprocess.run([sys.executable, "-c", body, *arguments], capture_output=True, text=True, env=settings)
    if done.returncode:
        raise SystemExit(f"the client failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def request(url: str, token: str, *, data: bytes | None = None, method: str | None = None) -> bytes:
    """One plain request."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(asked, timeout=600) as answer:
        return answer.read()


# ---- files ------------------------------------------------------------------------------------------------------


def write_random(path: Path, size: int) -> None:
    """A file of random bytes."""
    with path.open("wb") as file:
        for start in range(0, size, 16 * MIB):
            file.write(os.urandom(min(16 * MIB, size - start)))


def warm(path: Path) -> None:
    """Read a file, so that it is in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(16 * MIB):
            pass
