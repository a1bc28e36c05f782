"""Hubs on loopback for scans; the modules that speak as clients do lie beside the tests of the server."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))
sys.path.insert(0, str(Path(__file__).parents[1] / "pages"))


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"m-{secrets.token_hex(4)}"
