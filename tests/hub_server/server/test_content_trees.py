"""Folders by page, chosen paths, and what is said of each."""

from __future__ import annotations

import pytest
from content_cases import Git, commit, put_large
from hub_on_loopback import Hub
from huggingface_hub import RepoFile, RepoFolder
from huggingface_hub.errors import EntryNotFoundError

PATHS = ["a.txt", "b/1.txt", "b/2.txt", "b/c/3.txt", "b.txt", "d e/ö#?.txt"]


@pytest.fixture(scope="module")
def tree(hub: Hub) -> str:
    hub.api("alice").create_repo("alice/forest")
    sha256 = put_large(hub, "alice/forest", b"weights")
    files = [("file", {"path": path, "content": path}) for path in PATHS]
    large = ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256, "size": 7})
    commit(hub, "alice/forest", *files, large, summary="first")
    answer = commit(hub, "alice/forest", ("file", {"path": "b/c/3.txt", "content": "new"}), summary="second")
    return str(answer.json()["commitOid"])


def test_a_folder_and_all_below_it(hub: Hub, tree: str) -> None:
    api = hub.api()
    assert [each.path for each in api.list_repo_tree("alice/forest")] == [
        ".gitattributes", "a.txt", "b.txt", "b", "d e", "m.bin",
    ]  # fmt: skip
    assert [each.path for each in api.list_repo_tree("alice/forest", "b", recursive=True)] == [
        "b/1.txt", "b/2.txt", "b/c", "b/c/3.txt",
    ]  # fmt: skip
    assert [each.path for each in api.list_repo_tree("alice/forest", "d e", revision=tree[:8])] == ["d e/ö#?.txt"]


def test_what_is_said_of_files_and_folders(hub: Hub, tree: str) -> None:
    found = {each.path: each for each in hub.api().list_repo_tree("alice/forest", recursive=True, expand=True)}
    text, large, folder = found["a.txt"], found["m.bin"], found["b/c"]
    assert isinstance(text, RepoFile) and isinstance(large, RepoFile) and isinstance(folder, RepoFolder)
    assert (text.size, text.lfs, text.xet_hash) == (5, None, None)
    assert large.lfs is not None
    assert (large.size, large.lfs["size"], large.lfs["pointer_size"]) == (7, 7, 126)
    assert len(large.lfs["sha256"]) == 64 and len(large.blob_id) == 40
    assert {path: each.last_commit.title for path, each in found.items() if each.last_commit} == {
        **dict.fromkeys(found, "first"),
        ".gitattributes": "initial commit",
        **dict.fromkeys(["b", "b/c", "b/c/3.txt"], "second"),
    }
    assert folder.last_commit is not None and folder.last_commit.oid == tree


def test_the_last_commit_is_the_one_git_finds(hub: Hub, tree: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    git = Git(hub, "alice/forest", tmp_path_factory.mktemp("git") / "x")
    for each in hub.api().list_repo_tree("alice/forest", recursive=True, expand=True):
        assert each.last_commit is not None
        assert each.last_commit.oid == git("log", "-1", "--format=%H", "main", "--", each.path).strip()


@pytest.mark.parametrize("recursive", ["true", "false"])
def test_pages_are_of_one_commit_also_when_the_branch_moves(hub: Hub, name: str, recursive: str) -> None:
    hub.api("alice").create_repo(f"alice/{name}")
    commit(hub, f"alice/{name}", *[("file", {"path": f"f{n % 3}/{n:02d}", "content": ""}) for n in range(20)])
    whole = hub.ask("GET", f"/api/models/alice/{name}/tree/main?recursive={recursive}").json()
    path: str | None = f"/api/models/alice/{name}/tree/main?recursive={recursive}&limit=2"
    seen = []
    while path:
        answer = hub.ask("GET", path)
        seen += answer.json()
        link = answer.links.get("next")
        path = link["url"].removeprefix(hub.url) if link else None
        commit(hub, f"alice/{name}", ("file", {"path": f"f0/new-{len(seen)}", "content": ""}))
    assert seen == whole


def test_a_cursor_opens_nothing_else(hub: Hub, tree: str) -> None:
    from base64 import urlsafe_b64encode

    for raw in (b"", b"x", b"\0" * 30):
        cursor = urlsafe_b64encode(raw).decode()
        answer = hub.ask("GET", f"/api/models/alice/forest/tree/main?cursor={cursor}%21")
        assert answer.status_code == 400
    answer = hub.ask("GET", f"/api/models/alice/forest/tree/main?cursor={urlsafe_b64encode(bytes(30)).decode()}")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_paths_at_which_no_folder_is(hub: Hub, tree: str) -> None:
    for path in ("nope", "a.txt", "b%2Fnope"):
        answer = hub.ask("GET", f"/api/models/alice/forest/tree/main/{path}")
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound")
        assert answer.headers["x-repo-commit"] == tree
    with pytest.raises(EntryNotFoundError):
        list(hub.api().list_repo_tree("alice/forest", "nope"))


def test_chosen_paths(hub: Hub, tree: str) -> None:
    api = hub.api()
    found = api.get_paths_info("alice/forest", ["b", "m.bin", "nope", "d e/ö#?.txt"], expand=True)
    assert [each.path for each in found] == ["b", "m.bin", "d e/ö#?.txt"]
    assert found[0].last_commit is not None and found[0].last_commit.title == "second"
    by_json = hub.ask("POST", "/api/models/alice/forest/paths-info/main", json={"paths": ["b", "m.bin"]})
    by_form = hub.ask("POST", "/api/models/alice/forest/paths-info/main", data={"paths": ["b", "m.bin"]})
    assert by_json.json() == by_form.json()
    assert "lastCommit" not in by_json.json()[0]
    many = hub.ask("POST", "/api/models/alice/forest/paths-info/main", json={"paths": ["x"] * 1001})
    assert (many.status_code, many.json()["error"]) == (
        413,
        "1001 paths are too many: at most 1000 are answered at once",
    )
    for body in (b"[", b"{}", b'{"paths": [1]}'):
        headers = {"Content-Type": "application/json"}
        answer = hub.ask("POST", "/api/models/alice/forest/paths-info/main", content=body, headers=headers)
        assert answer.status_code in (400, 422)


def test_information_with_sizes_and_weights(hub: Hub, name: str) -> None:
    import json

    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]},
        "b": {"dtype": "BF16", "shape": [5], "data_offsets": [48, 58]},
    }
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(58)
    hub.api("alice").create_repo(f"alice/{name}")
    sha256 = put_large(hub, f"alice/{name}", data)
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    commit(hub, f"alice/{name}", *[("lfsFile", {"path": each, "algo": "sha256", "oid": sha256}) for each in shards])
    info = hub.api().model_info(f"alice/{name}", files_metadata=True)
    assert info.safetensors is not None
    assert (info.safetensors.parameters, info.safetensors.total) == ({"F32": 24, "BF16": 10}, 34)
    assert info.siblings is not None
    shard = next(each for each in info.siblings if each.rfilename == shards[0])
    assert (shard.size, shard.lfs and shard.lfs["sha256"]) == (len(data), sha256)
    found = hub.api().list_models(author="alice", num_parameters="max:34")
    assert f"alice/{name}" in [each.id for each in found]


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, (10**9).to_bytes(8, "little") + b"{}", b"\2\0\0\0\0\0\0\0[]"])
def test_weights_that_are_none_are_no_fault(hub: Hub, name: str, data: bytes) -> None:
    hub.api("alice").create_repo(f"alice/{name}")
    sha256 = put_large(hub, f"alice/{name}", data)
    large = ("lfsFile", {"path": "model.safetensors", "algo": "sha256", "oid": sha256, "size": len(data)})
    assert commit(hub, f"alice/{name}", large).status_code == 200
    assert hub.api().model_info(f"alice/{name}").safetensors is None
