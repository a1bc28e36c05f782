"""Fixtures and markers for the client's own tests; ``client_suite.py`` puts this file beside them as ``conftest.py``.

The source archive of huggingface_hub leaves its own out. What the tests need of it can be read from them: a client for
the first user, a maker of repositories that go away afterwards, and markers that say how Xet is to be set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from huggingface_hub import HfApi, RepoUrl, constants
from huggingface_hub.utils import _auth

from .testing_constants import ENDPOINT_STAGING, TOKEN, USER
from .testing_utils import repo_name

MARKERS = ("api", "transfer", "inference", "xet", "no_xet", "production", "deprecated", "git_lfs")


class RepoFactory(Protocol):
    """Makes a repository that is deleted after the test."""

    def __call__(self, repo_type: str = "model", *, repo_id: str | None = None, **more: Any) -> RepoUrl:
        """Make one; what else is given goes to ``create_repo``."""


def pytest_configure(config: pytest.Config) -> None:
    """Say which markers there are."""
    for name in MARKERS:
        config.addinivalue_line("markers", f"{name}: named by the client's tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is for another environment than this one."""
    for item in items:
        if item.get_closest_marker("production"):
            item.add_marker(pytest.mark.skip(reason="reads repositories of the public hub"))
        if item.get_closest_marker("no_xet"):
            item.add_marker(pytest.mark.skip(reason="for an environment without the package hf_xet"))
        if item.get_closest_marker("git_lfs"):
            item.add_marker(pytest.mark.skip(reason="for an environment that asks for git-lfs"))


@pytest.fixture(scope="session")
def api() -> HfApi:
    """The client of the first user."""
    return HfApi(endpoint=ENDPOINT_STAGING, token=TOKEN)


@pytest.fixture
def repo_factory(api: HfApi) -> Iterator[RepoFactory]:
    """Makes repositories, and deletes them afterwards."""
    made: list[tuple[RepoUrl, str | None]] = []

    def make(repo_type: str = "model", *, repo_id: str | None = None, **more: Any) -> RepoUrl:
        url = api.create_repo(repo_id or repo_name(), repo_type=repo_type, **more)
        made.append((url, more.get("token")))
        return url

    yield make
    for url, token in made:
        api.delete_repo(url.repo_id, repo_type=url.repo_type, token=token, missing_ok=True)


@pytest.fixture
def new_repo_id(api: HfApi) -> Iterator[str]:
    """The name of a model that the test makes itself."""
    repo_id = f"{USER}/{repo_name()}"
    yield repo_id
    api.delete_repo(repo_id, missing_ok=True)


@pytest.fixture(autouse=True)
def _no_token_kept_from_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_auth, "_OAUTH_REFRESH_CACHE", None)


@pytest.fixture(autouse=True)
def _xet_as_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("xet"):
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)


@pytest.fixture(autouse=True)
def _warned_as_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    marker = request.node.get_closest_marker("deprecated")
    if marker is None:
        yield
        return
    with pytest.warns(FutureWarning) as caught:
        yield
    said = " ".join(str(each.message) for each in caught)
    assert all(name in said for name in marker.args), said
