"""Fixtures and markers for the client's own tests; ``client_suite.py`` puts this file beside them as ``conftest.py``.

The source archive of huggingface_hub leaves its own out. What the tests need of it can be read from them: a client for
the first user, a maker of repositories that go away afterwards, and markers that say how Xet is to be set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from huggingface_hub import HfApi, RepoUrl, constants

from .testing_constants import ENDPOINT_STAGING, TOKEN
from .testing_utils import repo_name

MARKERS = ("api", "transfer", "inference", "xet", "no_xet", "production", "deprecated", "git_lfs")


class RepoFactory(Protocol):
    """Makes a repository that is deleted after the test."""

    def __call__(self, repo_type: str = "model", *, repo_id: str | None = None, **more: Any) -> RepoUrl: ...


def pytest_configure(config: pytest.Config) -> None:
    for name in MARKERS:
        config.addinivalue_line("markers", f"{name}: named by the client's tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
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
    made: list[RepoUrl] = []

    def make(repo_type: str = "model", *, repo_id: str | None = None, **more: Any) -> RepoUrl:
        made.append(api.create_repo(repo_id or repo_name(), repo_type=repo_type, **more))
        return made[-1]

    yield make
    for url in made:
        api.delete_repo(url.repo_id, repo_type=url.repo_type, missing_ok=True)


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
