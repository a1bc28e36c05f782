"""A mirror: what is asked for comes from upstream with the same ids, stays, follows, and is written by nobody here."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from between import Asked, Between, Reply
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

CARD = b"---\nlicense: mit\ntags: [carried]\n---\n# Spam\n"


def fresh(hub: Hub, owner: str = "google", **more: Any) -> str:
    """A new repository upstream with a card and a branch."""
    name = f"{owner}/m-{secrets.token_hex(4)}"
    api = hub.api("google")
    api.create_repo(name, **more)
    kind = more.get("repo_type")
    api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=name, repo_type=kind)
    api.create_branch(name, branch="trial", repo_type=kind)
    return name


def put(hub: Hub, name: str, path: str, data: bytes, **more: Any) -> str:
    return str(hub.api("google").upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name, **more).oid)


def cloned(address: str, folder: Path) -> dict[str, str]:
    plain = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_LFS_SKIP_SMUDGE": "1", "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", "clone", "-q", "--mirror", address, str(folder)], check=True, env=plain)
    subprocess.run(["git", "fsck", "--strict"], cwd=folder, check=True, capture_output=True)
    shown = subprocess.run(["git", "show-ref"], cwd=folder, check=True, capture_output=True, text=True).stdout
    return {line.split()[1]: line.split()[0] for line in shown.splitlines()}


# Coming ----------------------------------------------------------------------------------------------------------


def test_the_client_reads_what_is_only_upstream(source: Hub, mirror: Hub, tmp_path: Path) -> None:
    name = fresh(source)
    put(source, name, "deep/a b.txt", "übrig".encode())
    there, here = source.api().model_info(name), mirror.api().model_info(name)
    assert (here.sha, here.private, here.gated) == (there.sha, False, False)
    assert here.tags == there.tags
    assert [each.rfilename for each in here.siblings or []] == [each.rfilename for each in there.siblings or []]
    file = hf_hub_download(name, "deep/a b.txt", endpoint=mirror.url, token=False, cache_dir=tmp_path)
    assert Path(file).read_text(encoding="utf-8") == "übrig"
    assert [each.title for each in mirror.api().list_repo_commits(name)] == [
        each.title for each in source.api().list_repo_commits(name)
    ]
    assert name in {each.id for each in mirror.api().list_models(search=name.partition("/")[2])}


def test_git_clones_of_both_are_equal(source: Hub, mirror: Hub, tmp_path: Path) -> None:
    name = fresh(source)
    source.api("google").create_tag(name, tag="v1", tag_message="the first")
    source.api("google").create_pull_request(name, title="stays upstream")
    ours = cloned(f"{source.url}/{name}", tmp_path / "a")
    theirs = cloned(f"{mirror.url}/{name}", tmp_path / "b")
    assert {ref: oid for ref, oid in ours.items() if not ref.startswith("refs/pr/")} == theirs
    assert set(theirs) == {"refs/heads/main", "refs/heads/trial", "refs/tags/v1"}


def test_a_clone_alone_makes_it_come(source: Hub, mirror: Hub, tmp_path: Path) -> None:
    name = fresh(source)
    assert "refs/heads/trial" in cloned(f"{mirror.url}/{name}", tmp_path / "b")


def test_a_page_alone_makes_it_come(source: Hub, mirror: Hub) -> None:
    name = fresh(source)
    assert "Spam" in mirror.ask("GET", f"/{name}").text


def test_data_sets_and_spaces_come_too(source: Hub, mirror: Hub, tmp_path: Path) -> None:
    data = fresh(source, repo_type="dataset")
    folder = snapshot_download(data, repo_type="dataset", endpoint=mirror.url, token=False, cache_dir=tmp_path)
    assert (Path(folder) / "README.md").read_bytes() == CARD
    space = fresh(source, repo_type="space", space_sdk="static")
    assert mirror.api().space_info(space).sdk == "static"


def test_a_model_without_namespace_comes(source: Hub, mirror: Hub) -> None:
    name = f"canonical-{secrets.token_hex(3)}"
    source.api("google").create_repo(f"google/{name}")
    moved = {"fromRepo": f"google/{name}", "toRepo": name}
    assert source.ask("POST", "/api/repos/move", "google", json=moved).status_code == 200
    assert mirror.api().model_info(name).id == name


def test_what_is_nowhere_is_not_found(mirror: Hub, wire: Between) -> None:
    with pytest.raises(RepositoryNotFoundError):
        mirror.api("alice").model_info("google/nowhere")
    assert mirror.ask("GET", "/api/models/google/nowhere", "alice").status_code == 404
    assert mirror.ask("GET", "/api/models/google/nowhere").status_code == 401
    with pytest.raises(RevisionNotFoundError):
        mirror.api().model_info(fresh_name(wire), revision="no-such")


def fresh_name(wire: Between) -> str:
    hub = Hub(wire.behind, Path(), None)  # type: ignore[arg-type]
    return next(each.id for each in hub.api().list_models(author="google"))


def test_names_of_this_hubs_own_people_are_not_asked_for(source: Hub, mirror: Hub, wire: Between) -> None:
    name = f"alice/m-{secrets.token_hex(4)}"
    source.api("alice").create_repo(name)
    source.api("alice").upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=name)
    assert mirror.ask("GET", f"/api/models/{name}", "alice").status_code == 404
    for strange in ("alice", "google/resolve", "google/a..b", "-x/y"):
        mirror.ask("GET", f"/api/models/{strange}", "alice")
    assert wire.asked == []
    mirror.api("alice").create_repo(name)
    assert mirror.api().model_info(name).sha != source.api().model_info(name).sha


def test_a_request_that_writes_fetches_nothing(source: Hub, mirror: Hub, wire: Between) -> None:
    name = fresh(source)
    wire.asked.clear()
    assert mirror.ask("DELETE", "/api/repos/delete", "root", json={"name": name}).status_code == 404
    assert mirror.ask("POST", f"/api/models/{name}/tag/main", "root", json={"tag": "v1"}).status_code == 404
    assert wire.asked == []


def test_many_who_ask_at_once_make_one_fetch(source: Hub, mirror: Hub, wire: Between) -> None:
    name = fresh(source)
    wire.asked.clear()
    found: list[int] = []

    def ask() -> None:
        found.append(mirror.ask("GET", f"/api/models/{name}").status_code)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [200] * 10
    assert wire.count("POST", "/git-upload-pack") == 1


def test_a_new_name_upstream_leads_on(source: Hub, mirror: Hub, tmp_path: Path) -> None:
    old = fresh(source)
    new = f"{old}-renamed"
    source.api("google").move_repo(old, new)
    assert mirror.api().model_info(old).id == new
    assert mirror.ask("GET", f"/{old}/resolve/main/README.md").headers["location"] == (
        f"{mirror.url}/{new}/resolve/main/README.md"
    )
    file = hf_hub_download(old, "README.md", endpoint=mirror.url, token=False, cache_dir=tmp_path)
    assert Path(file).read_bytes() == CARD


# Following -------------------------------------------------------------------------------------------------------


def test_it_follows_what_happens_upstream(source: Hub, mirror: Hub) -> None:
    name = fresh(source)
    api, here = source.api("google"), mirror.api()
    here.model_info(name)
    head = put(source, name, "b.txt", b"more")
    assert here.model_info(name).sha == head
    assert mirror.ask("GET", f"/{name}/resolve/main/b.txt").content == b"more"
    api.create_tag(name, tag="v2")
    api.delete_branch(name, branch="trial")
    refs = here.list_repo_refs(name)
    assert ([each.name for each in refs.branches], [each.name for each in refs.tags]) == (["main"], ["v2"])
    api.super_squash_history(name)
    assert here.model_info(name).sha == source.api().model_info(name).sha != head
    assert len(here.list_repo_commits(name)) == 1
    assert [each.title for each in here.list_repo_commits(name, revision="v2")][-1] == "initial commit"


def test_only_what_is_new_is_sent(source: Hub, mirror: Hub, wire: Between) -> None:
    name = fresh(source)
    put(source, name, "noise.txt", secrets.token_hex(100_000).encode())
    mirror.api().model_info(name)
    sizes: list[int] = []

    def measured(asked: Asked, reply: Reply) -> None:
        if asked.path.endswith("/git-upload-pack"):
            sizes.append(len(reply.body))

    wire.change = measured
    put(source, name, "small.txt", b"x")
    mirror.api().model_info(name)
    assert len(sizes) == 1 and sizes[0] < 2000


def test_within_the_time_nothing_is_asked_again(wire: Between, source: Hub, tmp_path: Path) -> None:
    name = fresh(source)
    with hub_on_loopback(tmp_path / "root", upstream=wire.url, upstream_seconds=3600) as quiet:
        head = quiet.api().model_info(name).sha
        wire.asked.clear()
        put(source, name, "b.txt", b"later")
        assert quiet.api().model_info(name).sha == head
        for _ in range(3):
            quiet.ask("GET", "/api/models/google/nowhere")
        assert [each.path.partition("?")[0] for each in wire.asked] == ["/api/models/google/nowhere"]


def test_nobody_writes_to_it_here(source: Hub, mirror: Hub, tmp_path: Path) -> None:
    name = fresh(source)
    mirror.api().model_info(name)
    for who in ("alice", "root"):
        with pytest.raises(HfHubHTTPError, match="follows another hub, and is changed there alone"):
            mirror.api(who).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=name)
        with pytest.raises(HfHubHTTPError, match="follows another hub"):
            mirror.api(who).create_tag(name, tag="mine")
        with pytest.raises(HfHubHTTPError, match="follows another hub"):
            mirror.api(who).create_pull_request(name, title="mine")
        for path in ("x.txt", "x.bin"):
            with pytest.raises((HfHubHTTPError, ConnectionError), match="follows another hub|403 Forbidden"):
                mirror.api(who).upload_file(path_or_fileobj=b"x", path_in_repo=path, repo_id=name, create_pr=True)
    address = mirror.url.replace("://", f"://any:{mirror.tokens['root']}@") + f"/{name}"
    plain = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", "clone", "-q", address, str(tmp_path / "c")], check=True, env=plain)
    pushed = subprocess.run(
        ["git", "push", "origin", "HEAD:refs/heads/mine"], cwd=tmp_path / "c", env=plain, capture_output=True
    )
    assert pushed.returncode != 0
    assert mirror.api().model_info(name).sha == source.api().model_info(name).sha


def test_an_admin_may_remove_it_and_it_comes_again(source: Hub, mirror: Hub) -> None:
    name = fresh(source)
    mirror.api().model_info(name)
    with pytest.raises(HfHubHTTPError):
        mirror.api("alice").delete_repo(name)
    mirror.api("root").delete_repo(name)
    assert mirror.api().model_info(name).id == name


# Days on which upstream is not there -------------------------------------------------------------------------------


def test_while_upstream_is_down_what_is_kept_is_given_with_a_warning(
    source: Hub, mirror: Hub, wire: Between, tmp_path: Path
) -> None:
    name, other = fresh(source), fresh(source)
    head = mirror.api().model_info(name).sha
    assert "x-hf-warning" not in mirror.ask("GET", f"/api/models/{name}").headers
    wire.is_down = True
    answer = mirror.ask("GET", f"/api/models/{name}")
    assert (answer.status_code, answer.json()["sha"]) == (200, head)
    assert answer.headers["x-hf-warning"].startswith(f"mirror; {name} of {wire.url}: it could not be compared; this is")
    assert "x-hf-warning" in mirror.ask("HEAD", f"/{name}/resolve/main/README.md").headers
    file = hf_hub_download(name, "README.md", endpoint=mirror.url, token=False, cache_dir=tmp_path)
    assert Path(file).read_bytes() == CARD
    assert set(cloned(f"{mirror.url}/{name}", tmp_path / "b")) == {"refs/heads/main", "refs/heads/trial"}
    answer = mirror.ask("GET", f"/api/models/{other}")
    assert answer.status_code == 503
    assert f"{other} is not kept here, and the upstream hub {wire.url} cannot be asked now" in answer.json()["error"]
    wire.is_down = False
    assert "x-hf-warning" not in mirror.ask("GET", f"/api/models/{name}").headers
    assert mirror.api().model_info(other).id == other


def test_answers_that_no_hub_gives_change_nothing(source: Hub, mirror: Hub, wire: Between) -> None:
    name = fresh(source)
    head = mirror.api().model_info(name).sha
    put(source, name, "b.txt", b"later")
    broken: dict[str, Reply] = {
        "/api/": Reply(200, {"Content-Type": "text/html"}, b"<html>sign in</html>"),
        "/info/refs": Reply(200, {"Content-Type": "text/html"}, b"<html>sign in</html>"),
        "/git-upload-pack": Reply(200, {"Content-Type": "application/x-git-upload-pack-result"}, b"0008NAK\nPACKxx"),
    }
    for place, reply in broken.items():
        wire.change = lambda asked, _, place=place, reply=reply: reply if place in asked.path else None  # type: ignore[misc]
        answer = mirror.ask("GET", f"/api/models/{name}")
        assert (answer.status_code, answer.json()["sha"]) == (200, head), place
        assert "x-hf-warning" in answer.headers
    wire.change = lambda asked, reply: (
        Reply(200, reply.headers, reply.body, cut=len(reply.body) // 2) if "upload-pack" in asked.path else None
    )
    assert mirror.ask("GET", f"/api/models/{name}").json()["sha"] == head
    wire.mend()
    assert mirror.ask("GET", f"/api/models/{name}").json()["sha"] != head


def test_a_token_that_upstream_takes_no_more_hides_nothing(source: Hub, mirror: Hub, wire: Between) -> None:
    name = fresh(source)
    mirror.api().model_info(name)
    wire.change = lambda asked, _: Reply(401, {"X-Error-Message": "Invalid credentials"}, b"{}")
    answer = mirror.ask("GET", f"/api/models/{name}")
    assert answer.status_code == 200 and "x-hf-warning" in answer.headers


def test_what_is_deleted_upstream_is_shown_no_more(source: Hub, mirror: Hub) -> None:
    name = fresh(source)
    mirror.api().model_info(name)
    source.api("google").delete_repo(name)
    assert mirror.ask("GET", f"/api/models/{name}").status_code == 401
    answer = mirror.ask("GET", f"/api/models/{name}", "root")
    assert answer.status_code == 200 and "it is not there any more" in answer.headers["x-hf-warning"]


def test_a_hub_that_mirrors_no_more_still_gives_what_it_kept(wire: Between, source: Hub, tmp_path: Path) -> None:
    name = fresh(source)
    with hub_on_loopback(tmp_path / "root", upstream=wire.url) as quiet:
        head = quiet.api().model_info(name).sha
    from enfold.hub.server.serving import background_hub
    from enfold.hub.server.settings import HubSettings

    with background_hub(HubSettings(root=tmp_path / "root", port=0, drain_seconds=1)) as url:
        alone = Hub(url, tmp_path / "root", None)  # type: ignore[arg-type]
        assert alone.api().model_info(name).sha == head
        assert alone.ask("GET", "/api/models/google/nowhere").status_code == 401
