"""What a hub does with unsafe files: it tells, keeps them back, or refuses them; by the API, git-lfs, Xet and git."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from evil import BY_STACK, GLOBAL, GOOD, torch_file
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import CommitOperationAdd, CommitOperationCopy
from huggingface_hub.errors import HfHubHTTPError
from large_files import batch, plain, send, sha256_of

from enfold.errors import SettingsError
from enfold.hub.records import HubRoot, Records, accounts, refs, scan_queue
from enfold.hub.records.repositories import find_repository
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState

LARGE = torch_file(BY_STACK)


@pytest.fixture(scope="module")
def warning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_on_loopback(tmp_path_factory.mktemp("warn") / "root") as hub:
        yield hub


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_on_loopback(tmp_path_factory.mktemp("keep") / "root", unsafe_files="quarantine") as hub:
        with hub.records.write() as session:
            people = [(accounts.user(session, "alice"), "admin"), (accounts.user(session, "bob"), "write")]
            accounts.create_organization(session, "lab", members=people)  # type: ignore[arg-type]
        hub.add_user("carol")
        yield hub


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_on_loopback(tmp_path_factory.mktemp("refuse") / "root", unsafe_files="refuse") as hub:
        yield hub


def made(hub: Hub, repo: str, files: dict[str, bytes], user: str = "alice") -> str:
    """Make a repository with these files; its name."""
    api = hub.api(user)
    api.create_repo(repo)
    adds = [CommitOperationAdd(path, data) for path, data in files.items()]
    if adds:
        api.create_commit(repo, adds, commit_message="files")
    return repo


def looked_at(hub: Hub, repo: str) -> None:
    """Wait until everything of a repository was looked at."""
    for _ in range(200):
        with hub.records.read() as session:
            repository = find_repository(session, "model", repo)
            assert repository is not None
            if not scan_queue.waiting(session, repository):
                return
        time.sleep(0.05)
    raise AssertionError("the scans did not come to an end")


def clone(hub: Hub, repo: str, user: str | None, to: Path) -> subprocess.CompletedProcess[str]:
    secret = f"user:{hub.tokens[user]}@" if user else ""
    address = hub.url.replace("//", f"//{secret}", 1)
    environment = {
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PATH": "/usr/bin:/bin",
        "HOME": str(to.parent),
    }
    return subprocess.run(
        ["git", "clone", "-q", f"{address}/{repo}", str(to)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_client_reads_what_was_found(warning: Hub, name: str) -> None:
    repo = made(warning, f"alice/{name}", {"a.txt": b"a text\n", "m.pt": LARGE, "small.dat": GLOBAL, "ok.pkl": GOOD})
    looked_at(warning, repo)
    found = {each.path: each for each in warning.api().list_repo_tree(repo, expand=True)}
    assert found["a.txt"].security.safe and found["ok.pkl"].security.safe
    assert not found["m.pt"].security.safe and found["small.dat"].security.status == "unsafe"
    scan = found["small.dat"].security.pickle_import_scan
    assert scan == {
        "status": "dangerous",
        "pickleImports": [{"module": "os", "name": "system", "safety": "dangerous"}],
    }
    (info,) = warning.api().get_paths_info(repo, ["m.pt"], expand=True)
    assert info.security.pickle_import_scan["pickleImports"][0]["module"] == "posix"
    status = warning.api().model_info(repo, securityStatus=True).security_repo_status
    issues = [{"path": "m.pt", "level": "unsafe"}, {"path": "small.dat", "level": "unsafe"}]
    assert status == {"scansDone": True, "filesWithIssues": issues}
    # It is told, and that is all.
    assert warning.ask("GET", f"/{repo}/resolve/main/small.dat").content == GLOBAL


def test_pages_show_it(warning: Hub, name: str) -> None:
    repo = made(warning, f"alice/{name}", {"m.pt": LARGE, "small.pkl": GLOBAL, "odd.zip": b"PK\x03\x04 no zip"})
    looked_at(warning, repo)
    with Browser(warning.url) as browser:
        listed = browser.read(f"/{repo}/tree/main").text
        assert listed.count("unsafe") == 2 and listed.count("not scanned") == 1
        assert "os.system" in browser.read(f"/{repo}/blob/main/small.pkl").text


def test_work_that_waits_survives_a_restart(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with hub_on_loopback(root) as hub:
        repo = made(hub, "alice/m", {"x.pkl": GLOBAL})
        looked_at(hub, repo)
        with hub.records.write() as session:
            repository = find_repository(session, "model", repo)
            assert repository is not None
            head = refs.head_of(session, repository)
            session.connection().exec_driver_sql("DELETE FROM scan_results")
            scan_queue.ask(session, repository, str(head), None)
    state = HubState(HubRoot.open(root), HubSettings(root=root), Records(root / "hub.sqlite"))
    state.scans.start()
    try:
        for _ in range(200):
            with state.records.read() as session:
                if not scan_queue.waiting(session):
                    break
            time.sleep(0.05)
        with state.records.read() as session:
            found = session.connection().exec_driver_sql("SELECT status FROM scan_results WHERE status = 'unsafe'")
            assert len(found.all()) == 1
    finally:
        state.scans.stop()
        state.close()


@pytest.fixture(scope="module")
def kept(keeping: Hub) -> str:
    return made(keeping, "lab/kept", {"a.txt": b"a text\n", "m.pt": LARGE, "small.dat": GLOBAL})


@pytest.mark.parametrize("who", [None, "carol", "bob"])
@pytest.mark.parametrize("what", ["resolve/main/m.pt", "resolve/main/small.dat", "raw/main/small.dat"])
def test_files_in_quarantine_are_not_sent(keeping: Hub, kept: str, who: str | None, what: str) -> None:
    for method in ("GET", "HEAD"):
        answer = keeping.ask(method, f"/{kept}/{what}", who)
        assert answer.status_code == 403 and answer.headers["x-error-code"] == "FileQuarantined"
        assert b"system" not in answer.content or b"it was found unsafe" in answer.content
    assert keeping.ask("GET", f"/{kept}/resolve/main/a.txt", who).content == b"a text\n"


@pytest.mark.parametrize("who", ["alice", "root"])
def test_owners_get_them(keeping: Hub, kept: str, who: str, tmp_path: Path) -> None:
    assert keeping.ask("GET", f"/{kept}/resolve/main/small.dat", who).content == GLOBAL
    assert Path(keeping.api(who).hf_hub_download(kept, "m.pt", local_dir=tmp_path / "l")).read_bytes() == LARGE
    cloned = clone(keeping, kept, who, tmp_path / "clone")
    assert cloned.returncode == 0, cloned.stderr
    assert (tmp_path / "clone/small.dat").read_bytes() == GLOBAL


def test_git_refuses_the_pack_and_tells_why(keeping: Hub, kept: str, tmp_path: Path) -> None:
    assert "could not read Username" in clone(keeping, kept, None, tmp_path / "clone").stderr
    for who in ("carol", "bob"):
        cloned = clone(keeping, kept, who, tmp_path / "clone")
        assert cloned.returncode != 0 and "in quarantine" in cloned.stderr and "os.system" in cloned.stderr


def test_git_sends_what_holds_none(keeping: Hub, name: str, tmp_path: Path) -> None:
    repo = made(keeping, f"lab/{name}", {"a.txt": b"a text\n", "m.pt": LARGE})
    cloned = clone(keeping, repo, "carol", tmp_path / "clone")
    assert cloned.returncode == 0, cloned.stderr
    assert (tmp_path / "clone/m.pt").read_bytes().startswith(b"version https://git-lfs")


def test_large_files_by_lfs(keeping: Hub, kept: str, name: str) -> None:
    asked = (sha256_of(LARGE), len(LARGE))
    (found,) = batch(keeping, kept, "carol", "download", asked).json()["objects"]
    assert found["error"]["code"] == 403 and "posix.system" in found["error"]["message"]
    (found,) = batch(keeping, kept, "alice", "download", asked).json()["objects"]
    assert plain.get(found["actions"]["download"]["href"]).content == LARGE
    # One that was sent and that no commit names yet.
    other = torch_file(GLOBAL)
    send(keeping, kept, "bob", other)
    (found,) = batch(keeping, kept, "carol", "download", (sha256_of(other), len(other))).json()["objects"]
    assert plain.get(found["actions"]["download"]["href"]).status_code == 403


def test_a_copy_is_no_way_around(keeping: Hub, kept: str, name: str) -> None:
    mine = made(keeping, f"carol/{name}", {}, "carol")
    body = {"target": {"type": "model", "name": mine}, "files": [{"sha256": sha256_of(LARGE)}]}
    assert keeping.ask("POST", f"/api/models/{kept}/lfs-files/duplicate", "carol", json=body).status_code == 403
    whole = {"repository": f"carol/{name}-whole"}
    assert keeping.ask("POST", f"/api/models/{kept}/duplicate", "carol", json=whole).status_code == 403
    with pytest.raises(HfHubHTTPError):
        copies = [CommitOperationCopy("m.pt", "m.pt", src_repo_id=kept, src_repo_type="model")]
        keeping.api("carol").create_commit(mine, copies, commit_message="copy")
    assert keeping.ask("GET", f"/{mine}/resolve/main/m.pt", "carol").status_code == 404


def test_differences_do_not_show_them(keeping: Hub, kept: str) -> None:
    for who, shown in (("carol", False), ("alice", True)):
        for more in ("", "?raw=1"):
            answer = keeping.ask("GET", f"/api/models/{kept}/compare/main{more}", who)
            assert answer.status_code == 200 and ("cos" in answer.text) is shown
    with Browser(keeping.url) as nobody:
        assert "S'true'" not in nobody.read(f"/{kept}/commit/main").text
        page = nobody.read(f"/{kept}/blob/main/small.dat").text
        assert "S'true'" not in page and "quarantine" in page
        assert nobody.get(f"/{kept}/view/main/small.dat").status_code == 403


def test_reconstruction_by_xet(keeping: Hub, name: str) -> None:
    repo = made(keeping, f"alice/{name}", {"w.safetensors": bytes(range(256)) * 2000, "m.bin": LARGE + bytes(9)})
    for path, status in (("m.bin", 403), ("w.safetensors", 200)):
        (info,) = keeping.ask("POST", f"/api/models/{repo}/paths-info/main", "alice", json={"paths": [path]}).json()
        token = keeping.ask("GET", f"/api/models/{repo}/xet-read-token/main", "carol").json()
        headers = {"Authorization": f"Bearer {token['accessToken']}"}
        address = f"{token['casUrl']}/v2/reconstructions/{info['xetHash']}"
        assert plain.get(address, headers=headers).status_code == status, path


def refused(call: Any) -> str:
    with pytest.raises(HfHubHTTPError) as caught:
        call()
    assert caught.value.response.status_code == 422, caught.value
    return str(caught.value)


def test_a_commit_is_refused_and_leaves_nothing(refusing: Hub, name: str) -> None:
    repo = made(refusing, f"alice/{name}", {"a.txt": b"a\n"})
    api = refusing.api("alice")
    add = [CommitOperationAdd("small.dat", GLOBAL)]
    assert "os.system" in refused(lambda: api.create_commit(repo, add, commit_message="x"))
    assert "os.system" in refused(lambda: api.create_commit(repo, add, commit_message="x", create_pr=True))
    assert api.list_repo_files(repo) == [".gitattributes", "a.txt"] and not list(api.get_repo_discussions(repo))
    api.create_commit(repo, [CommitOperationAdd("ok.dat", GOOD)], commit_message="fine")


def test_an_upload_is_refused(refusing: Hub, name: str) -> None:
    repo = made(refusing, f"alice/{name}", {})
    asked = (sha256_of(LARGE), len(LARGE))
    (found,) = batch(refusing, repo, "alice", "upload", asked).json()["objects"]
    answer = plain.put(found["actions"]["upload"]["href"], content=LARGE)
    assert answer.status_code == 422 and "posix.system" in answer.text
    (found,) = batch(refusing, repo, "alice", "download", asked).json()["objects"]
    assert found["error"]["code"] == 404
    # The client's own way, by Xet: the library tells no more than that it was refused.
    with pytest.raises(Exception, match=r"(?i)422|unsafe|unprocessable"):
        refusing.api("alice").upload_file(path_or_fileobj=LARGE, path_in_repo="m.bin", repo_id=repo)
    assert refusing.api("alice").list_repo_files(repo) == [".gitattributes"]


def test_a_push_is_refused(refusing: Hub, name: str, tmp_path: Path) -> None:
    repo = made(refusing, f"alice/{name}", {"a.txt": b"a\n"})
    cloned = clone(refusing, repo, "alice", tmp_path / "c")
    assert cloned.returncode == 0, cloned.stderr

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "filter.lfs.required=false"]
        return subprocess.run(["git", *who, *words], cwd=tmp_path / "c", capture_output=True, text=True, check=False)

    (tmp_path / "c/small.dat").write_bytes(BY_STACK)
    git("add", "."), git("commit", "-qm", "bad")
    pushed = git("push", "-q", "origin", "main")
    assert pushed.returncode != 0 and "posix.system" in pushed.stderr
    git("rm", "-q", "small.dat"), git("commit", "-qm", "gone again")
    assert git("push", "-q", "origin", "main").returncode != 0  # it is still in the history
    assert git("push", "-q", "origin", "main:tagged").returncode != 0
    assert refusing.api().list_repo_files(repo) == [".gitattributes", "a.txt"]


@contextmanager
def again(hub: Hub, policy: str) -> Iterator[Hub]:
    """The same hub, started once more with another policy."""
    settings = HubSettings(root=hub.root, port=0, drain_seconds=2, unsafe_files=policy)
    with background_hub(settings) as url:
        records = Records(hub.root / "hub.sqlite")
        yield Hub(url, hub.root, records, hub.tokens)
        records.close()


def test_what_was_stored_before_the_hub_refused_comes_to_no_branch_again(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root") as hub:
        repo = made(hub, "alice/old", {"a.txt": b"a\n", "small.dat": GLOBAL})
        api = hub.api("alice")
        add = [CommitOperationAdd("other.dat", BY_STACK)]
        asked = api.create_commit(repo, add, commit_message="more", create_pr=True)
        removed = api.delete_file("small.dat", repo, commit_message="away")
    with again(hub, "refuse") as hub:
        at = f"/api/models/{repo}"
        for what, body, found in (
            ("revert/main", {"commit": removed.oid}, "os.system"),
            ("duplicate", {"repository": "alice/copy"}, "os.system"),
            (f"discussions/{asked.pr_num}/merge", {}, "posix.system"),
        ):
            answer = hub.ask("POST", f"{at}/{what}", "alice", json=body)
            assert answer.status_code == 422 and found in answer.text, what
        assert hub.ask("GET", "/api/models/alice/copy", "alice").status_code == 404
        assert hub.api().list_repo_files(repo) == [".gitattributes", "a.txt"]


def test_an_address_given_while_the_hub_warned_ends_with_that(tmp_path: Path) -> None:
    def address(hub: Hub) -> str:
        asked = {"paths": ["w.safetensors"]}
        (info,) = hub.ask("POST", "/api/models/alice/w/paths-info/main", "alice", json=asked).json()
        token = hub.ask("GET", "/api/models/alice/w/xet-read-token/main", "alice").json()
        headers = {"Authorization": f"Bearer {token['accessToken']}"}
        found = plain.get(f"{token['casUrl']}/v1/reconstructions/{info['xetHash']}", headers=headers).json()
        return str(next(iter(found["fetch_info"].values()))[0]["url"]).removeprefix(hub.url)

    with hub_on_loopback(tmp_path / "root") as hub:
        made(hub, "alice/w", {"w.safetensors": bytes(range(256)) * 2000})
        earlier = address(hub)
        assert plain.get(hub.url + earlier).status_code == 206
    with again(hub, "quarantine") as hub:
        assert plain.get(hub.url + earlier).status_code in (401, 403)
        assert plain.get(hub.url + address(hub)).status_code == 206


def test_a_policy_that_is_none() -> None:
    with pytest.raises(SettingsError, match="'quarantin' must be one of warn, quarantine, refuse.*quarantine"):
        HubSettings(root=Path("x"), unsafe_files="quarantin")
