"""Kill -9 at a random moment, start again: the same weights, bit for bit, as a run that nobody disturbed."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time

import pytest
import torch
from killed_run import run

from enfold.training.checkpoints import checkpoints_in

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@pytest.fixture(scope="module")
def processes():
    """Fresh processes that have torch and enfold imported already, so that kills hit the training."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["enfold.training", "enfold.models", "torch._dynamo"])
    return context


@pytest.fixture(scope="module")
def undisturbed(processes, tmp_path_factory):
    return go_on_to_the_end(processes, tmp_path_factory.mktemp("undisturbed"))


def go_on_to_the_end(processes, folder):
    child = processes.Process(target=run, args=(str(folder),))
    child.start()
    child.join()
    assert child.exitcode == 0
    return torch.load(folder / "final.pt")


def assert_same(final, expected):
    assert final.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(final[name], value), name


def test_killed_at_random_moments(processes, undisturbed, tmp_path):
    moment = random.Random()
    kills = 0
    for _ in range(4):
        steps = processes.Value("i", 0)
        child = processes.Process(target=run, args=(str(tmp_path), steps))
        child.start()
        wanted = moment.randint(1, 12)
        while steps.value < wanted and child.is_alive():
            time.sleep(0.001)
        time.sleep(moment.uniform(0.0, 0.03))
        child.kill()
        child.join()
        kills += child.exitcode == -signal.SIGKILL
    assert kills >= 1
    assert_same(go_on_to_the_end(processes, tmp_path), undisturbed)


@pytest.mark.parametrize("checkpoint", [1, 3])
def test_killed_while_saving(processes, undisturbed, tmp_path, checkpoint):
    child = processes.Process(target=run, args=(str(tmp_path), None, checkpoint))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")], "the kill left half a checkpoint"
    assert len(checkpoints_in(tmp_path)) == min(2, checkpoint - 1)
    assert_same(go_on_to_the_end(processes, tmp_path), undisturbed)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
