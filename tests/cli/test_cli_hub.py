"""``enfold hub …`` as a person types it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from enfold.cli.main import app
from enfold.errors import EnfoldError, SettingsError
from enfold.hub.records import NameTaken, NotKnown, Records, TokenFault


def enfold(*arguments: object) -> str:
    """Run a command; what it prints, or the error it ends with."""
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=True)
    if isinstance(result.exception, EnfoldError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def test_a_users_token_is_on_the_last_line(root: Path) -> None:
    shown = enfold("hub", "user", "add", "alice", "--admin", "--email", "a@example.org", "--root", root)
    secret = shown.splitlines()[-1]
    assert secret.startswith("hf_")
    records = Records(root / "hub.sqlite")
    principal = records.bearer(secret)
    records.close()
    assert (principal.name, principal.is_admin) == ("alice", True)
    assert enfold("hub", "user", "list", "--root", root) == "alice\talice\tadmin\n"
    with pytest.raises(NameTaken, match="the name 'Alice' is taken"):
        enfold("hub", "user", "add", "Alice", "--root", root)


def test_an_organisations_first_member_is_its_admin(root: Path) -> None:
    for name in ("alice", "bob", "carol"):
        enfold("hub", "user", "add", name, "--root", root)
    enfold(
        "hub", "org", "add", "lab", "--full-name", "The Lab", "--member", "alice", "--member", "bob",
        "--member", "carol:read", "--root", root,
    )  # fmt: skip
    from enfold.hub.records import accounts

    records = Records(root / "hub.sqlite")
    with records.read() as session:
        lab = accounts.account(session, "lab", "org")
        roles = {member.name: role for member, role in accounts.members_of(session, lab.id)}
    records.close()
    assert lab.full_name == "The Lab"
    assert roles == {"alice": "admin", "bob": "write", "carol": "read"}


def test_nothing_is_half_added(root: Path) -> None:
    enfold("hub", "user", "add", "alice", "--root", root)
    with pytest.raises(NotKnown, match="there is no user 'alise'; did you mean 'alice'"):
        enfold("hub", "org", "add", "lab", "--member", "alice", "--member", "alise", "--root", root)
    with pytest.raises(SettingsError, match="no role 'boss'"):
        enfold("hub", "org", "add", "lab", "--member", "alice:boss", "--root", root)
    enfold("hub", "org", "add", "lab", "--member", "alice", "--root", root)


def test_tokens(root: Path) -> None:
    enfold("hub", "user", "add", "alice", "--root", root)
    shown = enfold("hub", "token", "add", "alice", "--name", "ci", "--role", "read", "--expires", "30d", "--root", root)
    secret = shown.splitlines()[-1]
    records = Records(root / "hub.sqlite")
    assert records.bearer(secret).scope == "read"
    enfold("hub", "token", "revoke", "alice", "ci", "--root", root)
    with pytest.raises(TokenFault, match="revoked"):
        records.bearer(secret)
    records.close()
    first, second = enfold("hub", "token", "list", "alice", "--root", root).splitlines()
    assert first.startswith("first token\twrite\t…") and first.endswith("never used\tgood")
    assert second.startswith(f"ci\tread\t…{secret[-4:]}") and "revoked" in second
    assert secret not in shown.splitlines()[0] + first + second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("token", "add", "alice", "--role", "admin"), "--role 'admin' must be read or write"),
        (("token", "add", "alice", "--expires", "soon"), "--expires 'soon' must be a number and a unit"),
        (("token", "revoke", "alice", "x"), "alice has no token 'x'"),
        (("token", "add", "alice", "--database", "mysql://h/d"), "cannot be kept in 'mysql'"),
        (("user", "add", "api"), "the name 'api' is reserved"),
        (("user", "add", "metrics"), "the name 'metrics' is reserved"),
        (("user", "add", "bob", "--email", "x"), "'x' is no e-mail address"),
        (("serve", "--log", "xml"), "--log 'xml' must be text or json"),
        (("serve", "--port", "70000"), "port=70000 must lie between"),
    ],
)
def test_what_cannot_be_is_one_clear_line(root: Path, arguments: tuple[str, ...], message: str) -> None:
    enfold("hub", "user", "add", "alice", "--root", root)
    with pytest.raises(EnfoldError, match=message):
        enfold("hub", *arguments, "--root", root)


def test_a_hub_serves_without_torch_and_stops_when_told(root: Path) -> None:
    secret = enfold("hub", "user", "add", "alice", "--root", root).splitlines()[-1]
    program = (
        "import sys, threading, time\n"
        "from enfold.cli.main import run\n"
        "try:\n    run()\nfinally:\n    print('torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "hub", "serve", "--root", root, "--port", "0", "--log", "json"]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        seconds = time.monotonic() - began
        url = line.split()[4]
        answer = httpx2.get(f"{url}/api/whoami-v2", headers={"Authorization": f"Bearer {secret}"})
        refused = subprocess.run(
            [sys.executable, "-m", "enfold", "hub", "serve", "--root", root, "--port", "0"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
        errors = process.stderr.read()
        assert process.wait(timeout=20) == 0
    assert answer.json()["name"] == "alice"
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "is being served from" in refused.stderr
    assert f'"message": "GET /api/whoami-v2 200", "request_id": "{answer.headers["x-request-id"]}"' in errors
    assert errors.endswith("False\n"), "torch was imported"
    assert secret not in errors
    assert seconds < 15, "1.5 s on a machine at rest"


def test_a_hub_without_users_prints_a_link_for_its_first_admin(root: Path) -> None:
    command = [sys.executable, "-m", "enfold", "hub", "serve", "--root", root, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().split()[4]
        link = process.stdout.readline().split()[-1]
        assert link.startswith(f"{url}/setup?key=")
        with httpx2.Client(headers={"Origin": url}) as browser:
            page = browser.get(link)
            key = re.search(r'name="form_key" value="([0-9a-f]+)"', page.text)
            assert page.status_code == 200 and key is not None
            sent = {"form_key": key[1], "name": "alice", "password": "a long sentence of mine"}
            assert browser.post(link, data=sent).status_code == 303
            assert "alice" in browser.get(f"{url}/admin").text
            assert browser.get(link).status_code == 404, "it works once"
        process.send_signal(signal.SIGTERM)
        errors = process.stderr.read()
        assert process.wait(timeout=20) == 0
    assert link.partition("key=")[2] not in errors
    assert enfold("hub", "user", "list", "--root", root) == "alice\talice\tadmin\n"


def test_users_are_added_while_the_hub_serves(root: Path) -> None:
    """The first start on an empty folder, a user from another terminal, and the hub goes on writing."""
    serve, add = (
        [sys.executable, "-m", "enfold", "hub", *command, "--root", str(root)]
        for command in (("serve", "--port", "0"), ("user", "add", "ada"))
    )
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4]
        secret = subprocess.run(add, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}) as client:
            assert client.post("/api/repos/create", json={"name": "spam-filter"}).status_code == 200
            assert client.get("/api/models/ada/spam-filter").json()["id"] == "ada/spam-filter"
        listed = "import sys; from enfold.hub.records import Records; from sqlalchemy import text\n"
        listed += (
            "with Records(sys.argv[1]).read() as session: print(session.scalar(text('SELECT name FROM repositories')))"
        )
        seen = subprocess.run(
            [sys.executable, "-c", listed, str(root / "hub.sqlite")], capture_output=True, text=True, check=True
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert seen.stdout.strip() == "spam-filter"
