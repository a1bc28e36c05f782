"""A hub with something of everything in it, made once by real clients; tests get copies of its folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from client_process import run_client
from hub_on_loopback import hub_on_loopback

from enfold.cli.main import run
from enfold.hub.records.schema import Setting
from enfold.hub.server.state import HubState
from enfold.hub.upkeep.opening import opened

FILLING = """
import random
from huggingface_hub import CommitOperationAdd, HfApi

api = HfApi()
CARD = b"---\\nlicense: mit\\ntags: [small, round]\\nlibrary_name: enfold\\n---\\n# A model\\n"
for name in ("alice/kept", "alice/dropped"):
    api.create_repo(name)
    noise = random.Random(name).randbytes(3_000_000)
    api.create_commit(
        name,
        [
            CommitOperationAdd("README.md", CARD),
            CommitOperationAdd("config.json", b'{"model_type": "bert"}'),
            CommitOperationAdd("model.bin", noise),
            CommitOperationAdd("twice.bin", random.Random("both").randbytes(300_000)),
        ],
        commit_message="All of it",
    )
    api.upload_file(path_or_fileobj=noise[:2_000_000] + noise[2_500_000:], path_in_repo="model.bin", repo_id=name)
api.create_tag("alice/kept", tag="v1", tag_message="The first")
api.create_commit(
    "alice/kept",
    [CommitOperationAdd("notes/one.txt", b"one\\n")],
    commit_message="A proposal",
    create_pr=True,
)
api.create_repo("alice/by-lfs", repo_type="dataset", private=True)
"""
LFS = """
import random
from huggingface_hub import HfApi

HfApi().upload_file(
    path_or_fileobj=random.Random(5).randbytes(1_000_000),
    path_in_repo="rows.bin",
    repo_id="alice/by-lfs",
    repo_type="dataset",
)
"""


@pytest.fixture(scope="session")
def filled_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a hub that was stopped; nobody writes to it."""
    folder = tmp_path_factory.mktemp("filled")
    with hub_on_loopback(folder / "root") as hub:
        run_client(hub, "alice", folder / "home", FILLING)
        run_client(hub, "alice", folder / "home", LFS, HF_HUB_DISABLE_XET="1")
        assert hub.ask("POST", "/api/models/alice/kept/like", "bob").status_code == 200
        with hub.records.write() as session:  # whoever had a token has ended: no clean-up needs to wait
            session.execute(sa.delete(Setting).where(Setting.name == "xet-tokens-end"))
    return folder / "root"


@pytest.fixture
def root(filled_root: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(filled_root, tmp_path / "root"))


@pytest.fixture
def state(root: Path) -> Iterator[HubState]:
    """The copy, opened."""
    opening: AbstractContextManager[HubState] = opened(root)
    with opening as found:
        yield found


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def enfold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Runs `enfold hub …` in this process."""

    def run_command(*arguments: str) -> Done:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["enfold", "hub", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return run_command
