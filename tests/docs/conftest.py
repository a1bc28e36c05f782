"""The folder that the pages are read in, and a finished project for those that begin in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_sample import stock_cache, write_files


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the short name `minilm` stands for a small random BERT."""
    home = tmp_path_factory.mktemp("cache")
    stock_cache(home, tmp_path_factory.mktemp("wheel"))
    return home


@pytest.fixture(autouse=True)
def readers_machine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, that cache, and speed that is measured for a moment instead of six seconds."""
    from enfold.compression.decide import decide

    monkeypatch.setenv("ENFOLD_HOME", str(cache))
    monkeypatch.setenv("ENFOLD_OFFLINE", "1")
    monkeypatch.delenv("ENFOLD_API_KEY", raising=False)
    monkeypatch.setitem(decide.__kwdefaults__, "budget", 0.2)


@pytest.fixture(scope="package")
def finished_project(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `enfold init sms-spam.csv` and `enfold run` were run."""
    from rich.console import Console

    from enfold import Project

    folder = tmp_path_factory.mktemp("project")
    write_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENFOLD_HOME", str(cache))
        patch.setenv("ENFOLD_OFFLINE", "1")
        patch.chdir(folder)
        quiet = Console(quiet=True)
        Project.init("sms-spam.csv", console=quiet).run()
    return folder
