"""What the upstream hub keeps from others is mirrored only for those who are listed; and where the token goes."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from between import Asked, Between, Reply, between
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError
from typer.testing import CliRunner

from enfold.cli.main import app
from enfold.errors import EnfoldError, SettingsError
from enfold.hub.records import accounts
from enfold.hub.server.settings import HubSettings

LARGE = bytes(range(256)) * 500


def call(*arguments: Any) -> str:
    result = CliRunner().invoke(app, ["hub", "mirror", *(str(each) for each in arguments)])
    if isinstance(result.exception, EnfoldError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def statuses(hub: Hub, name: str, path: str | None = None) -> dict[str | None, int]:
    """What each kind of caller gets: of the description, or of a file."""
    address = f"/api/models/{name}" if path is None else f"/{name}/resolve/main/{path}"
    return {who: hub.ask("GET", address, who).status_code for who in ("alice", "bob", None, "root")}


@pytest.fixture
def hidden(source: Hub) -> str:
    """A private repository upstream, which the mirror's token opens."""
    name = f"google/m-{secrets.token_hex(4)}"
    source.api("google").create_repo(name, private=True)
    source.api("google").upload_file(path_or_fileobj=LARGE, path_in_repo="model.bin", repo_id=name)
    return name


@pytest.fixture
def gated(source: Hub) -> str:
    name = f"google/m-{secrets.token_hex(4)}"
    source.api("google").create_repo(name)
    source.api("google").upload_file(path_or_fileobj=LARGE, path_in_repo="model.bin", repo_id=name)
    source.api("google").update_repo_settings(name, gated="auto")
    return name


# Who may read ----------------------------------------------------------------------------------------------------


def test_a_private_repository_that_is_not_listed_is_not_there(mirror: Hub, hidden: str, wire: Between) -> None:
    assert statuses(mirror, hidden) == {"alice": 404, "bob": 404, None: 401, "root": 404}
    missing = mirror.ask("GET", "/api/models/google/nowhere", "alice")
    found = mirror.ask("GET", f"/api/models/{hidden}", "alice")
    assert (found.text, found.status_code) == (missing.text, missing.status_code)
    assert wire.count("POST", "/git-upload-pack") == 0


def test_a_private_repository_is_for_its_listed_readers(mirror: Hub, hidden: str, tmp_path: Path) -> None:
    said = call("allow", hidden, "--reader", "alice", "--root", mirror.root)
    assert said == f"model {hidden} is mirrored for alice\n"
    assert f"model\t{hidden}\talice" in call("list", "--root", mirror.root).splitlines()
    assert mirror.ask("GET", f"/api/models/{hidden}", "bob").status_code == 404
    assert mirror.ask("GET", f"/api/models/{hidden}", "alice").status_code == 200, "the first request has it already"
    assert statuses(mirror, hidden) == {"alice": 200, "bob": 404, None: 401, "root": 200}
    assert statuses(mirror, hidden, "model.bin") == {"alice": 200, "bob": 404, None: 401, "root": 200}
    token = mirror.tokens["alice"]
    file = hf_hub_download(hidden, "model.bin", endpoint=mirror.url, token=token, cache_dir=tmp_path)
    assert Path(file).read_bytes() == LARGE
    listed = {who: {each.id for each in mirror.api(who).list_models(author="google")} for who in ("alice", "bob")}
    assert hidden in listed["alice"] and hidden not in listed["bob"]
    limited = mirror.add_token("limited", "alice", role="fineGrained")
    assert mirror.ask("GET", f"/api/models/{hidden}", headers={"Authorization": f"Bearer {limited}"}).status_code == 404

    assert call("forbid", hidden, "--root", mirror.root) == f"1 readers of the model {hidden} fewer\n"
    assert statuses(mirror, hidden) == {"alice": 404, "bob": 404, None: 401, "root": 200}
    assert hidden not in call("list", "--root", mirror.root)


def test_the_members_of_an_organisation_can_be_readers(mirror: Hub, hidden: str) -> None:
    lab = f"lab-{secrets.token_hex(3)}"
    with mirror.records.write() as session:
        accounts.create_organization(session, lab, members=[(accounts.user(session, "bob"), "read")])
    call("allow", hidden, "--reader", lab, "--root", mirror.root)
    assert statuses(mirror, hidden) == {"alice": 404, "bob": 200, None: 401, "root": 200}


def test_a_gated_repository_is_for_its_listed_readers(mirror: Hub, gated: str, tmp_path: Path) -> None:
    assert statuses(mirror, gated) == {"alice": 404, "bob": 404, None: 401, "root": 404}
    call("allow", gated, "--reader", "alice", "--root", mirror.root)
    assert mirror.ask("GET", f"/{gated}/resolve/main/model.bin", "alice").content == LARGE
    assert statuses(mirror, gated, "model.bin") == {"alice": 200, "bob": 403, None: 401, "root": 200}
    assert mirror.api("bob").model_info(gated).gated == "manual", "asking here does not open a gate upstream"
    with pytest.raises(GatedRepoError):
        hf_hub_download(gated, "model.bin", endpoint=mirror.url, token=mirror.tokens["bob"], cache_dir=tmp_path)


def test_what_becomes_private_upstream_is_for_its_listed_readers_from_then_on(source: Hub, mirror: Hub) -> None:
    name = f"google/m-{secrets.token_hex(4)}"
    source.api("google").create_repo(name)
    assert statuses(mirror, name) == {"alice": 200, "bob": 200, None: 200, "root": 200}
    source.api("google").update_repo_settings(name, private=True)
    mirror.ask("GET", f"/api/models/{name}", "root")
    assert statuses(mirror, name) == {"alice": 404, "bob": 404, None: 401, "root": 200}
    call("allow", name, "--reader", "bob", "--root", mirror.root)
    assert statuses(mirror, name) == {"alice": 404, "bob": 200, None: 401, "root": 200}
    source.api("google").update_repo_settings(name, private=False)
    assert mirror.ask("GET", f"/api/models/{name}", "bob").status_code == 200
    assert statuses(mirror, name) == {"alice": 200, "bob": 200, None: 200, "root": 200}


def test_being_listed_opens_nothing_of_this_hubs_own(mirror: Hub) -> None:
    name = f"alice/m-{secrets.token_hex(4)}"
    call("allow", name, "--reader", "bob", "--root", mirror.root)
    mirror.api("alice").create_repo(name, private=True)
    assert mirror.ask("GET", f"/api/models/{name}", "bob").status_code == 404


def test_without_a_token_only_what_is_public_comes(source: Hub, hidden: str, wire: Between, tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", upstream=wire.url, upstream_seconds=0) as bare:
        call("allow", hidden, "--reader", "alice", "--root", bare.root)
        assert bare.ask("GET", f"/api/models/{hidden}", "alice").status_code == 404
        assert all("authorization" not in each.headers for each in wire.asked)


def test_the_commands_say_what_is_wrong(mirror: Hub, tmp_path: Path) -> None:
    for arguments, words in (
        (("allow", "google/x", "--reader", "nobody", "--root", mirror.root), "no user or organisation 'nobody' here"),
        (("allow", "google/a..b", "--reader", "alice", "--root", mirror.root), "'..' is not allowed in names"),
        (("forbid", "google/other", "--root", mirror.root), "no such reader of the model google/other is listed"),
        (("list", "--root", tmp_path / "none"), "is no hub"),
    ):
        with pytest.raises(EnfoldError, match=words.replace(".", r"\.")):
            call(*arguments)


# Where the token goes, and the hub itself ----------------------------------------------------------------------------


@pytest.fixture
def elsewhere(source: Hub) -> Any:
    """Another address, which upstream may lead to."""
    with between(source.url) as running:
        yield running


def public(source: Hub) -> str:
    name = f"google/m-{secrets.token_hex(4)}"
    source.api("google").create_repo(name)
    source.api("google").upload_file(path_or_fileobj=LARGE, path_in_repo="model.bin", repo_id=name)
    return name


def bearers(wire: Between) -> set[str | None]:
    return {each.headers.get("authorization") for each in wire.asked}


def test_the_token_goes_upstream(source: Hub, mirror: Hub, wire: Between) -> None:
    name = public(source)
    mirror.ask("GET", f"/{name}/resolve/main/model.bin", "alice")
    sent = [each for each in wire.asked if not each.path.startswith("/lfs/")]
    basic = b64encode(f"mirror:{source.tokens['google']}".encode()).decode()
    by_api, by_git = (
        {each.headers.get("authorization") for each in sent if each.path.startswith("/api/") == is_api}
        for is_api in (True, False)
    )
    assert (by_api, by_git) == ({f"Bearer {source.tokens['google']}"}, {f"Basic {basic}"})
    assert mirror.tokens["alice"] not in str(wire.asked), "the caller's own token stays here"
    assert all("authorization" not in each.headers for each in wire.asked if each.path.startswith("/lfs/"))


@pytest.mark.parametrize("place", ["/api/models/", "/info/refs", "/git-upload-pack", "/objects/batch"])
def test_no_redirect_is_followed_with_the_token(
    source: Hub, mirror: Hub, wire: Between, elsewhere: Between, place: str
) -> None:
    name = public(source)
    wire.change = lambda asked, _: (
        Reply(302, {"Location": elsewhere.url + asked.path}, b"") if place in asked.path else None
    )
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").status_code == 503
    assert elsewhere.asked == []


def leading_to(url: str, header: dict[str, str]) -> Any:
    def change(asked: Asked, reply: Reply) -> Reply | None:
        if not asked.path.endswith("/objects/batch"):
            return None
        said = json.loads(reply.body)
        action = said["objects"][0]["actions"]["download"]
        action["href"] = url + "/" + action["href"].split("/", 3)[3]
        action["header"] = header
        return Reply(200, reply.headers, json.dumps(said).encode())

    return change


def test_large_files_elsewhere_are_not_looked_for_in_this_hubs_own_network(
    source: Hub, mirror: Hub, wire: Between, elsewhere: Between, caplog: pytest.LogCaptureFixture
) -> None:
    name = public(source)
    wire.change = leading_to(elsewhere.url, {})
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").status_code == 503
    wire.change = lambda asked, _: (
        Reply(302, {"Location": elsewhere.url + asked.path}, b"") if asked.path.startswith("/lfs/") else None
    )
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").status_code == 503
    assert elsewhere.asked == []
    assert "127.0.0.1, which is not a public address; an admin of the hub can allow its network" in caplog.text


def test_large_files_elsewhere_come_without_the_token(
    source: Hub, wire: Between, elsewhere: Between, token_file: Path, tmp_path: Path
) -> None:
    more = {"upstream": wire.url, "upstream_token_file": token_file, "allow_webhooks": ("127.0.0.0/8",)}
    with hub_on_loopback(tmp_path / "root", **more) as open_hub, between(source.url) as first:
        name = public(source)
        wire.change = leading_to(first.url, {"X-Ticket": "for the first alone"})
        first.change = lambda asked, _: Reply(302, {"Location": elsewhere.url + asked.path}, b"")
        assert open_hub.ask("GET", f"/{name}/resolve/main/model.bin").content == LARGE
        assert (bearers(first), bearers(elsewhere)) == ({None}, {None})
        assert [each.headers.get("x-ticket") for each in first.asked] == ["for the first alone"]
        assert [each.headers.get("x-ticket") for each in elsewhere.asked] == [None]


def test_settings_of_a_mirror(tmp_path: Path) -> None:
    def fault(**more: Any) -> str:
        with pytest.raises(SettingsError) as caught:
            HubSettings(root=tmp_path, **more)
        return str(caught.value)

    for url in ("hub.example.org", "ftp://hub.example.org", "https://me:secret@hub.example.org", "https://h/?a=b"):
        said = fault(upstream=url)
        assert "upstream must look like https://hub.example.org" in said and "secret" not in said
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "two").write_text("hf_a hf_b")
    url = "https://hub.example.org"
    assert "cannot be read" in fault(upstream=url, upstream_token_file=tmp_path / "none")
    assert "holds no token" in fault(upstream=url, upstream_token_file=tmp_path / "empty")
    assert "holds no token" in fault(upstream=url, upstream_token_file=tmp_path / "two")
    assert "of use with an upstream only" in fault(upstream_token_file=tmp_path / "two")
    assert "upstream_seconds=-1 must be at least 0" in fault(upstream_seconds=-1)
