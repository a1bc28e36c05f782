"""The client's lines 2.x and 1.x, as they are installed and without Xet: each goes through the whole of scenario.py.

The 1.x line needs an environment of its own: ``ENFOLD_TEST_HUB_1X`` names its python. The second tier,
``ENFOLD_TEST_ALL=1``, adds the days without Xet, and one on PostgreSQL and an object store (a moto server).
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from hub_on_loopback import Hub, hub_on_loopback

SCENARIO = Path(__file__).with_name("scenario.py")
STEPS = [
    each.name
    for each in ast.parse(SCENARIO.read_text()).body
    if isinstance(each, ast.FunctionDef) and any(ast.unparse(mark) == "step" for mark in each.decorator_list)
]
CLIENTS = ["2.x", "1.x", "2.x without Xet", "1.x without Xet", "2.x on PostgreSQL and S3"]

Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_on_loopback(tmp_path_factory.mktemp("hub") / "root") as running:
        yield running


@pytest.fixture(scope="module")
def scaled_hub(hub_postgres_module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with its records in PostgreSQL and its large files in a bucket."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {"AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**given, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            environment.setenv(name, value)
        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="hub")
        root = tmp_path_factory.mktemp("hub") / "root"
        with hub_on_loopback(root, database=hub_postgres_module, blobs="s3://hub/large") as running:
            yield running
    server.stop()


@pytest.fixture(scope="module", params=CLIENTS)
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Told]:
    """What one client told of its day, by step."""
    line, _, how = request.param.partition(" ")
    python = sys.executable if line == "2.x" else os.environ.get("ENFOLD_TEST_HUB_1X", "")
    if not python:
        pytest.skip("no environment of the older client: ENFOLD_TEST_HUB_1X names a python with huggingface_hub<2")
    if how and os.environ.get("ENFOLD_TEST_ALL") != "1":
        pytest.skip(f"the whole day {how} is part of the second tier: ENFOLD_TEST_ALL=1 runs it")
    hub: Hub = request.getfixturevalue("scaled_hub" if "PostgreSQL" in how else "hub")
    home = tmp_path_factory.mktemp("day")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "GIT_"))}
    environment = {
        **kept,
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.tokens["alice"],
        "OTHER_TOKEN": hub.tokens["bob"],
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **({"HF_HUB_DISABLE_XET": "1"} if how == "without Xet" else {}),
    }
    done = subprocess.run(
        [python, str(SCENARIO), str(home)], env=environment, capture_output=True, text=True, timeout=280
    )
    told = [json.loads(each) for each in done.stdout.splitlines() if each.startswith('{"step"')]
    assert done.returncode == 0, done.stderr
    return line, {each["step"]: each for each in told}


def test_the_client_is_of_the_line_that_was_meant(day: tuple[str, Told]) -> None:
    line, told = day
    assert told["client"]["why"].split(".")[0] == line[0]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_day(day: tuple[str, Told], step: str) -> None:
    told = day[1][step]
    if told["went"] == "not here":
        pytest.skip(f"{step}: {told['why']}")
    assert told["went"] == "well", told["why"]
