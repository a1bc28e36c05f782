"""``enfold hub export`` and ``import``: what arrives is what was there, and what was altered does not arrive."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hub_on_loopback import Hub
from huggingface_hub import hf_hub_download
from typer.testing import CliRunner

from enfold.cli.main import app
from enfold.errors import EnfoldError, InputError, ServiceError, SettingsError
from enfold.hub.exchange.bundle import MAGIC, Content, Manifest, opened
from enfold.hub.exchange.exporting import export_repositories
from enfold.hub.exchange.importing import import_repositories
from enfold.hub.exchange.keys import KEY_FILE, kept_key, public_hex, read_key, trusted_key
from enfold.hub.records import HubRoot, Records, accounts, links
from enfold.hub.records.errors import NotKnown
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Account, Quota, Repository
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState

LARGE = bytes(range(256)) * 900
KEY = Ed25519PrivateKey.generate()


@contextmanager
def state_of(root: Path) -> Iterator[HubState]:
    """A second view of a hub, as the commands have it beside a running server."""
    state = HubState(HubRoot.open(root), HubSettings(root=root), Records(root / "hub.sqlite"))
    try:
        yield state
    finally:
        state.close()


@dataclass
class Filled:
    """A repository with history, a branch, a tag and two large files of which one is on the branch alone."""

    name: str
    commits: dict[str, str]


@pytest.fixture(scope="module")
def filled(here: Hub) -> Filled:
    name = f"alice/m-{secrets.token_hex(4)}"
    api = here.api("alice")
    api.create_repo(name, private=True)
    card = b"---\nlicense: mit\ntags: [carried]\n---\n# Spam\n"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=name)
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="deep/model.bin", repo_id=name)
    api.create_tag(name, tag="v1", tag_message="the first")
    api.create_branch(name, branch="trial")
    api.upload_file(path_or_fileobj=LARGE[::-1], path_in_repo="other.bin", repo_id=name, revision="trial")
    found = api.list_repo_refs(name)
    return Filled(name, {each.name: each.target_commit for each in [*found.branches, *found.tags]})


@pytest.fixture(scope="module")
def file(here: Hub, filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("carried") / "spam.export"
    with state_of(here.root) as state:
        export_repositories(state, [filled.name], out, KEY)
    return out


def call(*arguments: Any) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["hub", *(str(each) for each in arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit | EnfoldError):
        raise result.exception
    text = str(result.exception) if isinstance(result.exception, EnfoldError) else result.output
    return result.exit_code, text


def cloned(hub: Hub, name: str, folder: Path, user: str = "alice") -> dict[str, str]:
    """The refs of a clone by the real git, which checks every object on its way."""
    address = hub.url.replace("://", f"://any:{hub.tokens[user]}@") + f"/{name}"
    plain = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_LFS_SKIP_SMUDGE": "1", "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", "clone", "-q", "--mirror", address, str(folder)], check=True, env=plain)
    subprocess.run(["git", "fsck", "--strict"], cwd=folder, check=True, capture_output=True)
    shown = subprocess.run(["git", "show-ref"], cwd=folder, check=True, capture_output=True, text=True).stdout
    return {line.split()[1]: line.split()[0] for line in shown.splitlines()}


def snapshot(root: Path) -> tuple[list[str], int]:
    """What could have changed in a hub: its repositories' folders, and the rows of its records."""
    folders = sorted(path.name for path in (root / "repos").glob("*/*"))
    records = Records(root / "hub.sqlite")
    with records.read() as session:
        count = session.query(Repository).count() + session.query(Account).count()
    records.close()
    return folders, count


# What arrives ----------------------------------------------------------------------------------------------------


def test_a_repository_arrives_with_equal_ids_and_files(here: Hub, there: Hub, filled: Filled, tmp_path: Path) -> None:
    out = tmp_path / "spam.export"
    code, said = call("export", filled.name, "--out", out, "--root", here.root)
    assert code == 0, said
    key = said.splitlines()[-1]
    assert key == call("key", "--root", here.root)[1].strip()
    assert f"1 repositories and 2 large files are in {out}" in said
    assert out.stat().st_mode & 0o777 == 0o600

    code, said = call("import", out, "--root", there.root, "--trust", key)
    assert code == 0, said
    assert said.strip() == f"model {filled.name}: 3 branches and tags, 2 large files"

    ours, theirs = cloned(here, filled.name, tmp_path / "a"), cloned(there, filled.name, tmp_path / "b")
    assert ours == theirs
    assert set(ours) == {"refs/heads/main", "refs/heads/trial", "refs/tags/v1"}
    api = there.api("alice")
    refs = api.list_repo_refs(filled.name)
    assert {each.name: each.target_commit for each in [*refs.branches, *refs.tags]} == filled.commits
    info = api.model_info(filled.name)
    assert (info.private, info.card_data.license if info.card_data else None) == (True, "mit")
    assert "carried" in (info.tags or [])
    for path, revision, data in (("deep/model.bin", "main", LARGE), ("other.bin", "trial", LARGE[::-1])):
        got = hf_hub_download(
            filled.name, path, revision=revision, endpoint=there.url, token=there.tokens["alice"], cache_dir=tmp_path
        )
        assert Path(got).read_bytes() == data
    assert there.ask("GET", f"/api/models/{filled.name}", "bob").status_code == 404


def test_what_arrived_can_be_written_on(there: Hub, here: Hub, tmp_path: Path) -> None:
    name = f"alice/m-{secrets.token_hex(4)}"
    here.api("alice").create_repo(name, repo_type="dataset")
    with state_of(here.root) as state:
        export_repositories(state, [f"datasets/{name}"], tmp_path / "x", KEY)
    with state_of(there.root) as state:
        import_repositories(state, tmp_path / "x", KEY.public_key())
    api = there.api("alice")
    api.upload_file(path_or_fileobj=b"a\n1\n", path_in_repo="a.csv", repo_id=name, repo_type="dataset")
    assert "a.csv" in api.list_repo_files(name, repo_type="dataset")


def test_several_repositories_share_a_large_file_once(here: Hub, there: Hub, tmp_path: Path) -> None:
    names = [f"alice/m-{secrets.token_hex(4)}" for _ in range(2)]
    data = secrets.token_bytes(50_000)
    for name in names:
        here.api("alice").create_repo(name)
        here.api("alice").upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=name)
    out = tmp_path / "two"
    with state_of(here.root) as state:
        done = export_repositories(state, [*names, names[0]], out, KEY)
    assert [each.name for each in done.repositories] == names
    assert [each.size for each in done.large] == [len(data)]
    assert out.stat().st_size < 60_000
    with state_of(there.root) as state:
        import_repositories(state, out, KEY.public_key())
    for name in names:
        assert there.ask("GET", f"/{name}/resolve/main/w.bin").content == data


def test_pull_requests_and_what_no_ref_leads_to_stay_behind(here: Hub, tmp_path: Path) -> None:
    name = f"alice/m-{secrets.token_hex(4)}"
    api = here.api("alice")
    api.create_repo(name)
    secret = secrets.token_bytes(60_000)
    api.upload_file(path_or_fileobj=secret, path_in_repo="w.bin", repo_id=name, create_pr=True)
    api.create_branch(name, branch="gone")
    api.upload_file(path_or_fileobj=b"x" * 500, path_in_repo="gone.txt", repo_id=name, revision="gone")
    left = api.list_repo_refs(name).branches[0].target_commit
    api.delete_branch(name, branch="gone")
    with state_of(here.root) as state:
        done = export_repositories(state, [name], tmp_path / "x", KEY)
    (exported,) = done.repositories
    assert (set(exported.refs), exported.large, done.large) == ({"refs/heads/main"}, (), ())
    assert left and secret not in (tmp_path / "x").read_bytes()


def test_an_unsigned_import_is_asked_for_by_its_name(there: Hub, here: Hub, tmp_path: Path) -> None:
    name = f"alice/m-{secrets.token_hex(4)}"
    here.api("alice").create_repo(name)
    with state_of(here.root) as state:
        export_repositories(state, [name], tmp_path / "x", Ed25519PrivateKey.generate())
    code, said = call("import", tmp_path / "x", "--root", there.root)
    assert code != 0 and "give --trust KEY" in said
    code, said = call("import", tmp_path / "x", "--root", there.root, "--unsigned", "--trust", public_hex(KEY))
    assert code != 0 and "not both" in said
    assert call("import", tmp_path / "x", "--root", there.root, "--unsigned")[0] == 0
    assert there.api().model_info(name).id == name


# What does not ---------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The root of a hub with alice, and nothing of hers."""
    root = tmp_path / "empty"
    HubRoot.open(root)
    records = Records(root / "hub.sqlite")
    with records.write() as session:
        accounts.create_user(session, "alice")
    records.close()
    return root


def refused(root: Path, file: Path, key: Ed25519PrivateKey | None = KEY) -> str:
    """Why an import is refused, which changes nothing."""
    before = snapshot(root)
    with state_of(root) as state, pytest.raises(EnfoldError) as caught:
        import_repositories(state, file, None if key is None else key.public_key())
    assert snapshot(root) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_key_is_refused_and_named(file: Path, empty: Path) -> None:
    said = refused(empty, file, Ed25519PrivateKey.generate())
    assert said.endswith(f"it names {public_hex(KEY)}; nothing was imported")


def test_any_altered_byte_is_refused(file: Path, empty: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    length = int.from_bytes(data[116:124], "big")
    places = {
        "no export of a hub": 3,
        "its signature does not hold": 60,
        "cut off or was altered": 116,
        "signature does not hold": 124 + length // 2,
        "another sha256 than its manifest says": 124 + length + 40,
        "was altered: a content has another sha256": len(data) - 1,
    }
    for words, place in places.items():
        altered = bytearray(data)
        altered[place] ^= 1
        (tmp_path / "altered").write_bytes(altered)
        assert words in refused(empty, tmp_path / "altered")


def test_a_file_that_is_cut_off_or_goes_on_is_refused(file: Path, empty: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    for end, words in ((10, "no export"), (300, "manifest is not whole"), (len(data) - 1, "is cut off: 1 bytes")):
        (tmp_path / "cut").write_bytes(data[:end])
        assert words in refused(empty, tmp_path / "cut")
    (tmp_path / "long").write_bytes(data + b"x")
    assert "goes on after its last content" in refused(empty, tmp_path / "long")
    assert "no file" in refused(empty, tmp_path / "nowhere")


def test_without_a_signature_the_hashes_hold_all_the_same(file: Path, empty: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    (tmp_path / "altered").write_bytes(data)
    assert "another sha256" in refused(empty, tmp_path / "altered", None)


def test_a_repository_that_is_there_is_refused(file: Path, filled: Filled, here: Hub) -> None:
    assert f"the model {filled.name} is here already" in refused(here.root, file)


def test_an_owner_who_is_not_there_is_refused(file: Path, tmp_path: Path) -> None:
    HubRoot.open(tmp_path / "bare")
    Records(tmp_path / "bare" / "hub.sqlite").close()
    with state_of(tmp_path / "bare") as state, pytest.raises(NotKnown, match="enfold hub org add alice"):
        import_repositories(state, file, KEY.public_key())


def test_a_quota_holds_and_undoes_all(file: Path, empty: Path) -> None:
    records = Records(empty / "hub.sqlite")
    with records.write() as session:
        session.add(Quota(account_id=accounts.user(session, "alice").id, bytes=1000))
    records.close()
    assert "alice may keep 1000 bytes" in refused(empty, file)


def signed(manifest: dict[str, Any], contents: bytes, out: Path) -> Path:
    """A file whose maker holds the trusted key and lies."""
    data = Manifest.model_validate(manifest).model_dump_json().encode()
    head = MAGIC + KEY.public_key().public_bytes_raw() + KEY.sign(MAGIC + data) + len(data).to_bytes(8, "big")
    out.write_bytes(head + data + contents)
    return out


def test_a_signed_file_is_checked_like_any_other(file: Path, empty: Path, tmp_path: Path) -> None:
    with opened(file, None) as bundle:
        honest, contents = bundle.manifest.model_dump(), file.read_bytes()[bundle.start :]
    (one,) = honest["repositories"]
    head = one["refs"]["refs/heads/main"]

    def lie(**changed: Any) -> str:
        manifest = {**honest, "repositories": ({**one, **changed},)}
        return refused(empty, signed(manifest, contents, tmp_path / "lie"))

    assert "has no branch main" in lie(refs={})
    assert "does not travel" in lie(refs={"refs/heads/main": head, "refs/pr/1": head})
    assert "does not point where it says" in lie(refs={"refs/heads/main": (head[0], "0" * 40)})
    assert "are refused" in lie(refs={"refs/heads/main": ("1" * 40, "1" * 40)})
    assert "points to a tag" in lie(refs={**one["refs"], "refs/heads/x": one["refs"]["refs/tags/v1"]})
    assert "needs the large file" in lie(large=("ab" * 32,))
    assert "resolve" in lie(name="alice/resolve")
    assert "reserved" in lie(name="admin")
    (tmp_path / "lie").write_bytes(contents)

    pack = b"PACK\0\0\0\2\0\0\0\0" + hashlib.sha1(b"PACK\0\0\0\2\0\0\0\0").digest()
    described = {"sha256": hashlib.sha256(pack).hexdigest(), "size": len(pack)}
    nothing = {**honest, "repositories": ({**one, "pack": described, "large": ()},), "large": ()}
    assert "are refused" in refused(empty, signed(nothing, pack, tmp_path / "lie"))


def test_two_of_one_name_in_a_file_are_refused(file: Path, empty: Path, tmp_path: Path) -> None:
    with opened(file, None) as bundle:
        honest, contents = bundle.manifest.model_dump(), file.read_bytes()[bundle.start :]
    size = honest["repositories"][0]["pack"]["size"]
    twice = {**honest, "repositories": honest["repositories"] * 2}
    said = refused(empty, signed(twice, contents[:size] + contents, tmp_path / "twice"))
    assert "already exists" in said or "here already" in said


def test_an_import_links_nothing_that_did_not_come_with_it(file: Path, empty: Path, filled: Filled) -> None:
    with state_of(empty) as state:
        done = import_repositories(state, file, KEY.public_key())
        with state.records.read() as session:
            found = find_repository(session, "model", filled.name)
            assert found is not None
            assert links.linked(session, found, [each.sha256 for each in done.large]) == {
                each.sha256: each.size for each in done.large
            }
            assert found.used_storage == 2 * len(LARGE)


# Exporting -------------------------------------------------------------------------------------------------------


def test_an_export_that_cannot_be_made_leaves_no_file(here: Hub, filled: Filled, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with state_of(here.root) as state:
        with pytest.raises(NotKnown, match="there is no model 'alice/nowhere' in this hub"):
            export_repositories(state, [filled.name, "alice/nowhere"], out, KEY)
        with pytest.raises(NotKnown, match="there is no dataset"):
            export_repositories(state, [f"datasets/{filled.name}"], out, KEY)
        with pytest.raises(InputError, match="name the repositories"):
            export_repositories(state, [], out, KEY)
        assert not list(tmp_path.iterdir())
        out.write_text("mine")
        with pytest.raises(InputError, match="is there already: name another file"):
            export_repositories(state, [filled.name], out, KEY)
    assert out.read_text() == "mine"


def test_a_damaged_large_file_is_not_exported(here: Hub, tmp_path: Path) -> None:
    name = f"alice/m-{secrets.token_hex(4)}"
    data = secrets.token_bytes(30_000)
    here.api("alice").create_repo(name)
    here.api("alice").upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=name)
    with state_of(here.root) as state:
        with state.records.read() as session:
            large = links.large_file(session, hashlib.sha256(data).hexdigest())
        assert large is not None
        lies = state.blobs.path(large.extents[0].blob)
        assert lies is not None
        kept = lies.read_bytes()
        lies.chmod(0o600)
        lies.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        try:
            with pytest.raises(ServiceError, match="is damaged or gone"):
                export_repositories(state, [name], tmp_path / "out", KEY)
        finally:
            lies.write_bytes(kept)
    assert not list(tmp_path.iterdir())


def test_keys(tmp_path: Path) -> None:
    made = kept_key(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert public_hex(kept_key(tmp_path)) == public_hex(made) == public_hex(trusted_key(public_hex(made).upper()))
    with pytest.raises(SettingsError, match="64 hex digits"):
        trusted_key("abc")
    with pytest.raises(SettingsError, match="cannot be read: no such file"):
        read_key(tmp_path / "none.pem")
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(SettingsError, match="holds no private key"):
        read_key(tmp_path / "text.pem")


def test_an_export_with_a_key_of_ones_own(here: Hub, filled: Filled, tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    code, said = call("export", filled.name, "--out", tmp_path / "x", "--root", here.root, "--key", tmp_path / KEY_FILE)
    assert code == 0 and said.splitlines()[-1] == public_hex(key)
    with opened(tmp_path / "x", key.public_key()) as bundle:
        assert isinstance(bundle.manifest.large[0], Content)
        bundle.check()


def test_a_folder_that_is_no_hub_is_not_made_one(tmp_path: Path) -> None:
    code, said = call("key", "--root", tmp_path / "none")
    assert code != 0 and "is no hub" in said
    assert not (tmp_path / "none").exists()
