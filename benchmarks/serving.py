"""How much of the model's own speed the server gives, and how long its answers take.

    python benchmarks/serving.py [--seconds 20] [--model minilm] [--format int8] [--data sms-spam]

First the offline rate: the pipeline on the same texts, in a process of its own. Then a server on loopback, with its
SQLite database, and in a third process a client on raw sockets with keep-alive:

- closed loop with 200 clients, each sending its next text when it has its answer: the server's capacity;
- open loop at 0.8x of that capacity: single texts arrive at random moments (Poisson), whatever became of the
  earlier ones, so that waiting shows; a text is answered if it got 200 within 10 s.

Server, client and model share this machine's cores; the client's share is stated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Load:
    """What a client saw."""

    name: str
    seconds: float = 0.0
    sent: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    latencies: list[float] = field(default_factory=list)
    client_cpu: float = 0.0

    @property
    def answered(self) -> int:
        return self.statuses.get("200", 0)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Connection:
    """One keep-alive connection, as little as HTTP/1.1 needs."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, request: bytes) -> tuple[str, bytes]:
        """Send a whole request; gives the status and the head of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            start = lowered.index(b"content-length:") + 15
            await reader.readexactly(int(lowered[start : lowered.index(b"\r", start)]))
        except BaseException:
            self.close()
            raise
        return head[9:12].decode(), lowered

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def requests_of(texts: list[str]) -> list[bytes]:
    """Each text as a whole request, made beforehand so that the client has little to do."""
    made = []
    for text in texts:
        body = json.dumps({"text": text}).encode()
        made.append(
            b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
    return made


async def send(load: Load, connection: Connection, request: bytes, timeout: float = 10.0) -> str:
    load.sent += 1
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout):
            status, head = await connection.post(request)
    except TimeoutError:
        status, head = "late", b""
    except (OSError, asyncio.IncompleteReadError) as error:
        status, head = type(error).__name__, b""
    load.statuses[status] = load.statuses.get(status, 0) + 1
    if status == "200":
        load.latencies.append(time.perf_counter() - started)
    elif status == "503" and b"retry-after:" not in head:
        load.without_retry_after += 1
    return status


async def closed_loop(port: int, texts: list[str], *, clients: int, seconds: float) -> Load:
    """``clients`` clients, each sending its next text when it has its answer."""
    load = Load(f"{clients} clients, closed loop")
    requests = requests_of(texts)
    started, end = time.perf_counter(), time.perf_counter() + seconds

    async def client(seed: int) -> None:
        choose = random.Random(seed)
        connection = Connection("127.0.0.1", port)
        while time.perf_counter() < end:
            if await send(load, connection, choose.choice(requests), timeout=60) == "503":
                await asyncio.sleep(1)
        connection.close()

    await asyncio.gather(*(client(seed) for seed in range(clients)))
    load.seconds = time.perf_counter() - started
    load.client_cpu = time.process_time()
    return load


async def open_loop(port: int, texts: list[str], *, rate: float, seconds: float) -> Load:
    """Single texts at random moments, ``rate`` a second on average, whatever became of the earlier ones."""
    load = Load(f"open loop, {rate:.0f} texts/s offered")
    choose = random.Random(0)
    requests = requests_of(texts)
    free: list[Connection] = []
    running: set[asyncio.Task[None]] = set()

    async def one(request: bytes) -> None:
        connection = free.pop() if free else Connection("127.0.0.1", port)
        await send(load, connection, request)
        free.append(connection)

    started = moment = time.perf_counter()
    while moment < started + seconds:
        moment += choose.expovariate(rate)
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        task = asyncio.create_task(one(choose.choice(requests)))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    load.seconds = time.perf_counter() - started
    load.client_cpu = time.process_time()
    for connection in free:
        connection.close()
    return load


def make_pipeline(model: str, format: str):
    """The pipeline that is measured: a base model under a new, untrained head of two labels."""
    import logging

    import torch

    from enfold.compression import quantise
    from enfold.models import AutoModelForSequenceClassification
    from enfold.pipelines import TextClassificationPipeline
    from enfold.values import LabelSet

    logging.getLogger("enfold.models").setLevel(logging.ERROR)  # the head is new on purpose
    torch.manual_seed(0)
    loaded = AutoModelForSequenceClassification.from_pretrained(model, labels=LabelSet(("ham", "spam")))
    tokenizer = loaded.tokenizer
    return TextClassificationPipeline(quantise(loaded, format) if format == "int8" else loaded, tokenizer)


def texts_of(data: str) -> list[str]:
    """The texts of the data set, in a fixed random order."""
    from enfold.data import find_columns, read_table
    from enfold.hub import locate

    path = locate(data, kind="data").path
    table = read_table(path)
    texts = [text for text in table[find_columns(table, source=str(path)).text].to_list() if text and text.strip()]
    random.Random(0).shuffle(texts)
    return texts


def run_offline(options: argparse.Namespace) -> None:
    """Print texts and tokens a second of the pipeline alone."""
    pipeline, texts = make_pipeline(options.model, options.format), texts_of(options.data)
    pipeline(texts[:256])
    texts = texts[:2048]
    best = 0.0
    started = time.perf_counter()
    rounds = 0
    while rounds < 3 or time.perf_counter() - started < options.seconds:
        begin = time.perf_counter()
        predictions = pipeline(texts)
        best = max(best, len(texts) / (time.perf_counter() - begin))
        rounds += 1
    mean = rounds * len(texts) / (time.perf_counter() - started)
    tokens = sum(prediction.tokens for prediction in predictions) / len(texts)
    print(json.dumps({"mean": mean, "best": best, "tokens": tokens}))


def run_server(options: argparse.Namespace) -> None:
    """Serve; print the port when ready."""
    from enfold.feedback import FeedbackStore
    from enfold.serving import ServingSettings, create_app, serve

    class Fixed:
        """A source whose model never changes."""

        def revision(self) -> str:
            return options.model

        def load(self):
            return make_pipeline(options.model, options.format)

    settings = ServingSettings(port=0)
    store = FeedbackStore(f"sqlite:///{options.database}")
    serve(lambda: create_app(Fixed(), store, settings), settings, on_ready=lambda url: print(url, flush=True))


def run_client(options: argparse.Namespace) -> None:
    """Load the server; print what was seen."""
    texts = texts_of(options.data)
    if options.rate:
        load = asyncio.run(open_loop(options.port, texts, rate=options.rate, seconds=options.seconds))
    else:
        load = asyncio.run(closed_loop(options.port, texts, clients=options.clients, seconds=options.seconds))
    print(json.dumps(asdict(load)))


def child(*arguments: str, options: argparse.Namespace) -> list[str]:
    """The command line of this file in another role."""
    shared = ["--model", options.model, "--format", options.format, "--data", options.data]
    shared += ["--seconds", str(options.seconds)]
    return [sys.executable, __file__, *arguments, *shared]


def measured(*arguments: str, options: argparse.Namespace) -> dict[str, Any]:
    done = subprocess.run(child(*arguments, options=options), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--format", choices=["float32", "int8"], default="float32")
    parser.add_argument("--data", default="sms-spam")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--role", choices=["offline", "server", "client"], help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        {"offline": run_offline, "server": run_server, "client": run_client}[options.role](options)
        return
    offline = measured("--role", "offline", options=options)
    rate = float(offline["mean"])
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}; {options.model} in {options.format}, {options.data}")
    print(f"offline: {rate:.0f} texts/s (best round {offline['best']:.0f}), {offline['tokens']:.1f} tokens a text")
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "feedback.db")
        server = subprocess.Popen(
            child("--role", "server", "--database", database, options=options), stdout=subprocess.PIPE, text=True
        )
        try:
            port = server.stdout.readline().rpartition(":")[2].strip()
            client = ("--role", "client", "--port", port)
            crowd = measured(*client, "--clients", str(options.clients), options=options)
            capacity = crowd["statuses"].get("200", 0) / crowd["seconds"]
            loads = [crowd, measured(*client, "--rate", str(0.8 * capacity), options=options)]
        finally:
            server.terminate()
            server.wait(60)
    print(
        f"{'load':34} {'sent':>7} {'answered':>9} {'texts/s':>8} {'/offline':>8} {'p50':>8} {'p99':>8}  client  others"
    )
    for seen in loads:
        load = Load(**seen)
        others = {status: count for status, count in load.statuses.items() if status != "200"}
        speed = load.answered / load.seconds
        print(
            f"{load.name:34} {load.sent:7} {load.answered / load.sent:8.1%} {speed:8.0f} {speed / rate:7.2f}x"
            f" {1000 * load.quantile(0.5):6.0f}ms {1000 * load.quantile(0.99):6.0f}ms"
            f" {load.client_cpu / load.seconds:6.0%}  {others or 'none'}"
            + (f", {load.without_retry_after} of them without Retry-After" if load.without_retry_after else "")
        )


if __name__ == "__main__":
    main()
