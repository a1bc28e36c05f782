"""A hub in which alice keeps things that bob must not learn of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for _folder in ("server", "pages"):
    sys.path.insert(0, str(Path(__file__).parents[1] / _folder))

from kept_secret import Secrets, secrets_of_alice  # noqa: E402 - found by the line above


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secrets]:
    """Alice's secrets, and the ways in that alice and bob have."""
    with secrets_of_alice(tmp_path_factory.mktemp("hub") / "root") as found:
        yield found
