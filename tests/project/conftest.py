"""One trained project for the tests of this folder; each works on a copy of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project_examples import make_base, make_project
from rich.console import Console

from enfold import Project


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    folder = make_project(tmp_path_factory.mktemp("trained"), base)
    Project.open(folder, console=Console(quiet=True)).run()
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(trained, folder)
    return Project.open(folder, console=Console(quiet=True))
