"""Learning rates, step by step, against `transformers`."""

from __future__ import annotations

import pytest
import torch

from enfold.errors import SettingsError
from enfold.training import get_linear_schedule_with_warmup, get_scheduler
from enfold.training.schedules import SCHEDULES


def rates(make, steps=30):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
    schedule = make(optimiser)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


@pytest.mark.parametrize("warmup", [0, 1, 7])
@pytest.mark.parametrize("name", list(SCHEDULES))
def test_each_schedule_gives_the_rates_of_transformers(name, warmup):
    import transformers

    ours = rates(lambda optimiser: get_scheduler(name, optimiser, warmup, 25))
    theirs = rates(lambda optimiser: transformers.get_scheduler(name, optimiser, warmup, 25))
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("cosine", {"num_cycles": 1.5}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", {"lr_end": 1e-4, "power": 2.0}),
        ("inverse_sqrt", {"timescale": 40}),
    ],
)
def test_the_arguments_of_a_schedule_are_those_of_transformers(name, extra):
    import transformers

    ours = rates(lambda optimiser: get_scheduler(name, optimiser, 5, 25, extra))
    theirs = rates(lambda optimiser: transformers.get_scheduler(name, optimiser, 5, 25, extra))
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


def test_linear_rises_to_the_peak_and_falls_to_nothing():
    found = rates(lambda optimiser: get_linear_schedule_with_warmup(optimiser, 10, 20), steps=21)
    assert (found[0], found[5], found[10], found[15], found[20]) == (0, 1e-3, 2e-3, 1e-3, 0)


def test_an_unknown_schedule_and_an_unknown_argument_are_named():
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    with pytest.raises(SettingsError, match="lr_scheduler_type='linar' is not one of linear, cosine"):
        get_scheduler("linar", optimiser, 0, 10)
    with pytest.raises(SettingsError, match="the linear schedule has no 'power'; it has: none"):
        get_scheduler("linear", optimiser, 0, 10, {"power": 2})
    with pytest.raises(SettingsError, match="the linear schedule needs num_training_steps"):
        get_scheduler("linear", optimiser, 0)
    with pytest.raises(SettingsError, match="lr_end=1 must be below the learning rate, 0.001"):
        get_scheduler("polynomial", optimiser, 0, 10, {"lr_end": 1})
