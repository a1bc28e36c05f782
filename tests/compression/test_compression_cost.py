"""Costs are measured in turn and say which of two models is quicker."""

import time

import pytest

from enfold.compression.cost import measure_speed, size_on_disk
from enfold.errors import DataError


class Sleeper:
    """Takes a fixed time for each call and each text, and remembers when it was asked."""

    def __init__(self, name, log, *, call, text):
        self.name, self.log, self.call, self.text = name, log, call, text

    def __call__(self, texts):
        self.log.append((self.name, len(texts)))
        time.sleep(self.call + self.text * len(texts))


def test_latency_and_throughput_are_those_of_the_models():
    log = []
    slow, quick = Sleeper("slow", log, call=0.004, text=0.0004), Sleeper("quick", log, call=0.001, text=0.0001)
    texts = [f"text {number}" for number in range(100)]
    first, second = measure_speed([slow, quick], texts, budget=1.0)
    assert 0.0044 <= first.latency_p50 <= first.latency_p99
    assert 0.0011 <= second.latency_p50 < first.latency_p50
    assert first.throughput < 1 / 0.0004
    assert 2 < second.throughput / first.throughput < 8


def test_models_are_measured_in_turn_and_the_order_changes():
    log = []
    a, b = Sleeper("a", log, call=0.001, text=0), Sleeper("b", log, call=0.001, text=0)
    measure_speed([a, b], ["one", "two"], budget=0.05)
    singles = [name for name, texts in log[2:] if texts == 1]
    assert singles[:8] == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert abs(singles.count("a") - singles.count("b")) == 0


def test_the_budget_is_kept_but_for_five_rounds():
    log = []
    sleeper = Sleeper("a", log, call=0.01, text=0)
    start = time.perf_counter()
    measure_speed([sleeper], ["one"], budget=0.0)
    assert time.perf_counter() - start < 0.5
    warm_up = 1 + 4  # one text, then 8, 16, 32 and 64
    assert len(log) == warm_up + 5 + 5


def test_speed_needs_texts():
    with pytest.raises(DataError, match="measuring speed needs texts; it got none"):
        measure_speed([len], [])


def test_size_is_that_of_the_weight_files(trained, tmp_path):
    trained.model.save_pretrained(tmp_path)
    assert size_on_disk(trained.model) == (tmp_path / "model.safetensors").stat().st_size
