"""What a server does again and again goes on after a round that failed."""

from __future__ import annotations

import logging
import threading

import pytest

from enfold.hub.server import rounds
from enfold.hub.server.rounds import Rounds


def test_a_round_that_fails_is_logged_and_another_follows(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_PAUSE", 0.01)
    done = threading.Event()
    count = 0

    def work() -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise RuntimeError("database is locked")
        done.set()

    own = Rounds("tidying", work, every=0.01, at_once=True)
    with caplog.at_level(logging.ERROR):
        own.start()
        assert done.wait(10)
        own.stop()
    assert own.stopping
    assert "tidying failed; it is tried again in 0.01 seconds" in caplog.messages
    seen = count
    assert not done.clear() and not done.wait(0.1) and count == seen, "nothing runs after the end"


def test_the_first_round_waits_unless_it_is_wanted_at_once() -> None:
    ran = threading.Event()
    own = Rounds("later", ran.set, every=60)
    own.start()
    assert not ran.wait(0.1)
    own.stop()
