"""Collections and webhooks in a browser."""

from __future__ import annotations

import re

import pytest
from browser import Browser
from filled import fill
from hub_on_loopback import Hub

from enfold.hub.records.schema import Webhook, WebhookDelivery


@pytest.fixture(scope="module", autouse=True)
def filled(hub: Hub) -> None:
    for name in ("one", "two", "three"):
        fill(hub, f"alice/{name}", {"README.md": b"# Hi\n"})
    fill(hub, "alice/hidden-item", {"README.md": b"# Hidden\n"}, private=True)


def test_a_collection_is_made_filled_ordered_and_deleted(alice: Browser, bob: Browser, nobody: Browser) -> None:
    made = alice.send("/collections/new", "/collections/new", title="Best <b>of</b>", description="Mine")
    address = made.headers["location"]
    assert re.fullmatch(r"/collections/alice/best-b-of-b-[0-9a-f]{24}", address)
    for name in ("one", "two", "hidden-item", "three"):
        added = alice.send(address, "", {"do": "add"}, type="model", name=f"alice/{name}", note=f"<i>{name}</i>")
        assert added.status_code == 303
    again = alice.send(address, "", {"do": "add"}, type="model", name="alice/one")
    assert again.status_code == 422 and "is in this collection already" in again.text
    missing = alice.send(address, "", {"do": "add"}, type="model", name="alice/nothing")
    assert missing.status_code == 422 and "Repository not found" in missing.text
    shown = nobody.read(address)
    assert [link for link in shown.links if link.startswith("/alice/")] == ["/alice/one", "/alice/two", "/alice/three"]
    assert "<i>two</i>" in shown.text and "hidden-item" not in shown.text
    assert not [form for form in shown.forms if form.action == ""]
    up = next(form for form in alice.read(address).forms if form.fields.get("position") == "2")
    assert alice.post(address, up.fields).status_code == 303
    first = next(form for form in alice.read(address).forms if form.fields.get("do") == "remove")
    assert alice.post(address, first.fields).status_code == 303
    assert "/alice/one" not in nobody.read(address).links
    assert bob.post(address, {**bob.read("/settings").forms[0].fields, "do": "delete"}).status_code == 403
    assert address in nobody.read("/collections?owner=alice").links and address in nobody.read("/alice/two").links
    hidden = alice.send(address, "", {"do": "change"}, title="Other", private="yes")
    other = hidden.headers["location"].partition("?")[0]
    nobody.read(other, 404)
    assert other not in nobody.read("/collections").links and other in alice.read("/collections").links
    assert alice.send(other, "", {"do": "delete"}).headers["location"] == "/collections?said=deleted"
    alice.read(other, 404)


def test_a_repository_is_put_into_a_collection_from_its_own_page(alice: Browser) -> None:
    address = alice.send("/collections/new", "/collections/new", title="Later", owner="lab").headers["location"]
    assert address.startswith("/collections/lab/later-")
    assert alice.send("/alice/one", address, {"do": "add"}).status_code == 303
    assert "/alice/one" in alice.read(address).links
    empty = alice.send("/collections/new", "/collections/new", title=" ")
    assert empty.status_code == 422 and "title" in empty.text


def test_a_webhook_its_secret_is_shown_once(hub: Hub, alice: Browser, bob: Browser) -> None:
    page = "/settings/webhooks"
    for fields, said in (
        ({"url": "http://127.0.0.1:1/x"}, "url:"),
        ({"url": "ftp://example.org/"}, "url:"),
        ({"url": "https://example.org/", "watched": "things/x"}, "names nothing"),
        ({"url": "https://example.org/", "watched": ""}, "Say what it is to watch."),
        ({"url": "https://example.org/", "of-repo": "", "of-discussion": ""}, "Choose what it is to be told."),
    ):
        answer = alice.send(page, page, None, **fields)
        assert answer.status_code == 422 and said in answer.text, said
    made = alice.send(page, page, None, url="https://example.org/<told>", watched="models/alice/one\r\nusers/alice")
    assert made.status_code == 200
    (secret,) = re.findall(r'class="secret">([\w-]+)<', made.text)
    with hub.records.write() as session:
        kept = session.query(Webhook).one()
        assert kept.secret == secret
        assert kept.watched == [{"type": "model", "name": "alice/one"}, {"type": "user", "name": "alice"}]
        session.add(WebhookDelivery(webhook_id=kept.id, body={}, attempts=2, status="failed", answer=503))
        address = f"{page}/{kept.uid}"
    shown = alice.read(address)
    assert secret not in alice.get(address).text and "503" in shown.text and "failed" in shown.text
    assert address in alice.read(page).links
    bob.read(address, 404)
    assert bob.post(address, {**bob.read(page).forms[0].fields, "do": "delete"}).status_code == 404
    assert alice.send(address, address, do="change", watched="orgs/lab").status_code == 303
    renewed = alice.send(address, address, do="secret")
    assert secret not in renewed.text and 'class="secret"' in renewed.text
    assert alice.send(address, address, do="disable").status_code == 303
    assert "off" in alice.read(address).words and "Switch on" in alice.read(address).text
    assert alice.send(address, address, do="delete").status_code == 303
    alice.read(address, 404)
