"""Signing a program in from another machine: the real client asks, a browser says yes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from browser import Browser
from hub_on_loopback import Hub

from enfold.hub.records.schema import DeviceLogin, Token, now

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def begin(hub: Hub) -> dict[str, Any]:
    answer = hub.ask("POST", "/oauth/device", data={"client_id": "a client"})
    assert answer.status_code == 200
    return dict(answer.json())


def fetch(hub: Hub, device_code: str, grant: str = GRANT) -> dict[str, Any]:
    answer = hub.ask("POST", "/oauth/token", data={"grant_type": grant, "device_code": device_code, "client_id": "x"})
    found = dict(answer.json())
    assert answer.status_code == (400 if "error" in found else 200)
    return found


def test_the_client_signs_in_by_a_browser(hub: Hub, bob: Browser, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, "-c", "from huggingface_hub import interpreter_login; interpreter_login()"]
    with subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        address = next(line.strip() for line in running.stdout if "/login/device?code=" in line)
        page = bob.read(address.removeprefix(hub.url))
        assert address.rpartition("=")[2] in page.text
        answer = bob.send(address.removeprefix(hub.url), "/login/device", answer="yes")
        assert "The device has been signed in" in answer.text
        rest = running.communicate(timeout=30)[0]
    assert running.returncode == 0, rest
    who = [sys.executable, "-c", "import huggingface_hub as h; print(h.HfApi().whoami()['name'])"]
    assert subprocess.run(who, env=environment, capture_output=True, text=True, check=True).stdout == "bob\n"
    with hub.records.read() as session:
        token = session.scalars(sa.select(Token).where(Token.name.startswith("device, "))).one()
        assert token.expires_at is not None and token.expires_at > now() + timedelta(days=80)


def test_a_code_gives_one_token(hub: Hub, alice: Browser) -> None:
    device = begin(hub)
    assert fetch(hub, device["device_code"])["error"] == "authorization_pending"
    assert fetch(hub, device["device_code"])["error"] == "slow_down"
    page = f"/login/device?code={device['user_code'].lower().replace('-', '')}"
    alice.send(page, "/login/device", answer="yes")
    found = fetch(hub, device["device_code"])
    hub.tokens["device"] = found["access_token"]
    assert hub.api("device").whoami()["name"] == "alice"
    assert fetch(hub, device["device_code"])["error"] == "invalid_grant"
    assert "There is no such code, or it has expired." in alice.read(page, 404).text


def test_a_device_that_was_refused(hub: Hub, alice: Browser) -> None:
    device = begin(hub)
    answer = alice.send(f"/login/device?code={device['user_code']}", "/login/device", answer="no")
    assert "The device was refused." in answer.text
    assert fetch(hub, device["device_code"])["error"] == "access_denied"


def test_a_code_that_has_expired(hub: Hub, alice: Browser) -> None:
    device = begin(hub)
    with hub.records.write() as session:
        session.execute(sa.update(DeviceLogin).values(expires_at=now() - timedelta(seconds=1)))
    assert fetch(hub, device["device_code"])["error"] == "expired_token"
    alice.read(f"/login/device?code={device['user_code']}", 404)


def test_nobody_says_yes_for_another(hub: Hub, nobody: Browser, alice: Browser) -> None:
    device = begin(hub)
    page = f"/login/device?code={device['user_code']}"
    answer = nobody.get(page)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/login?next=/login/device")
    fields = {"code": device["user_code"], "answer": "yes"}
    assert nobody.post("/login/device", fields).status_code != 200
    assert alice.post("/login/device", fields).status_code == 403, "a form of another site has no key"
    token = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    assert nobody.post("/login/device", fields, **token).status_code != 200, "a token signs no device in"
    assert fetch(hub, device["device_code"])["error"] == "authorization_pending"


def test_what_is_not_a_code(hub: Hub, alice: Browser) -> None:
    assert fetch(hub, "nonsense")["error"] == "invalid_grant"
    assert fetch(hub, "nonsense", grant="refresh_token")["error"] == "unsupported_grant_type"
    assert hub.ask("POST", "/oauth/device", data={}).status_code == 422
    alice.read("/login/device?code=AAAA-BBBB", 404)
    assert "The code that the program shows" in alice.read("/login/device").text


def test_the_codes_are_not_kept(hub: Hub) -> None:
    device = begin(hub)
    with hub.records.read() as session:
        rows = [vars(each) for each in session.scalars(sa.select(DeviceLogin))]
    assert device["device_code"] not in str(rows) and device["user_code"] not in str(rows)
