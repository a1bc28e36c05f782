"""Classes of ``family_parity`` are run for each of their heads, configurations and masks."""

from __future__ import annotations

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = {"head": "heads", "config": "configs", "mask": "masks"}
    if metafunc.cls is None or not hasattr(metafunc.cls, "prefix"):
        return
    for argument, attribute in names.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, list(getattr(metafunc.cls, attribute)))
