"""Who a browser stands for: passwords, tokens, links that work once, and what a cookie does not open."""

from __future__ import annotations

import secrets

import httpx2
import pytest
from browser import Browser, Read
from hub_on_loopback import Hub, hub_on_loopback

from enfold.errors import InputError
from enfold.hub.pages.page import safe_path
from enfold.hub.records import accounts, invitations, passwords, sessions, tokens
from enfold.hub.records.schema import WebSession, now

PASSWORD = "a long sentence of mine"


def cookie_of(browser: Browser) -> str:
    return browser.client.cookies["enfold_session"]


def test_a_browser_signs_in_and_out(hub: Hub, nobody: Browser) -> None:
    assert "Sign in" in nobody.read("/").text
    answer = nobody.send("/login?next=/settings", "/login", {"name": ""}, name="alice", password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
    kept = answer.headers["set-cookie"]
    assert kept.startswith("enfold_session=") and "HttpOnly" in kept and "SameSite=lax" in kept
    assert "Secure" not in kept, "the test speaks plain http"
    cookie = cookie_of(nobody)
    assert "Settings" in nobody.read("/settings").text
    assert nobody.send("/settings", "/logout").status_code == 303
    assert nobody.get("/settings").status_code == 303
    nobody.client.cookies.set("enfold_session", cookie)
    assert nobody.get("/settings").status_code == 303, "the session has ended, not only the cookie"


def test_a_session_is_kept_as_a_digest_and_ends(hub: Hub, nobody: Browser) -> None:
    nobody.sign_in("bob", PASSWORD)
    cookie = cookie_of(nobody)
    with hub.records.read() as session:
        assert session.get(WebSession, cookie) is None
    with hub.records.write() as session:
        found = sessions.find(session, cookie)
        assert found is not None and found[1].name == "bob"
        found[0].expires_at = now()
    assert nobody.get("/settings").status_code == 303


def test_cookies_are_secure_under_https(tmp_path: object) -> None:
    address = "https://hub.example.org"
    with hub_on_loopback(tmp_path / "root", public_url=address) as hub, Browser(hub.url) as browser:  # type: ignore[operator]
        kept = browser.get("/login").headers["set-cookie"]
    assert kept.startswith("__Host-enfold_form=") and "; Secure" in kept and "Path=/" in kept


def test_a_wrong_password_says_the_same_as_an_unknown_name(nobody: Browser) -> None:
    told = []
    for name in ("alice", "who-is-this"):
        answer = nobody.send("/login", "/login", {"name": ""}, name=name, password="not this one")
        assert answer.status_code == 403 and "enfold_session" not in nobody.client.cookies
        told.append(Read(answer.text).text.replace(name, ""))
    assert told[0] == told[1] and "The name or the password is wrong." in told[0]


def test_too_many_wrong_passwords(tmp_path: object) -> None:
    from enfold.hub.pages import signing_in

    counted = signing_in._Failures()
    for _ in range(10):
        counted.check("name x")
        counted.note("name x")
    with pytest.raises(Exception, match="failed too often") as caught:
        counted.check("address y", "name x")
    assert caught.value.status_code == 429 and int(caught.value.headers["Retry-After"]) <= 901  # type: ignore[attr-defined]
    counted.check("name z")


def test_a_token_signs_in_only_if_it_may_do_all_its_user_may(hub: Hub, nobody: Browser) -> None:
    reading = hub.add_token("reading", "alice", role="read")
    answer = nobody.send("/login", "/login", {"token": ""}, token=reading)
    assert answer.status_code == 403 and "This token may not do everything" in answer.text
    assert nobody.send("/login", "/login", {"token": ""}, token="hf_nonsense").status_code == 403
    assert nobody.send("/login", "/login", {"token": ""}, token=hub.tokens["alice"]).status_code == 303
    assert "alice" in nobody.read("/settings").text


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", ""])
def test_signing_in_never_leads_elsewhere(address: str) -> None:
    assert safe_path(address) == "/"
    assert safe_path("/alice/m?x=1") == "/alice/m?x=1"


def test_the_cookie_opens_pages_alone(hub: Hub, alice: Browser) -> None:
    with hub.records.read() as session:
        assert sessions.find(session, cookie_of(alice)) is not None
    for path in ("/api/whoami-v2", "/api/settings/webhooks"):
        assert alice.get(path).status_code in (401, 404)
    assert hub.ask("GET", "/api/whoami-v2", headers={"Authorization": f"Bearer {cookie_of(alice)}"}).status_code == 401
    made = alice.client.post("/api/repos/create", json={"name": "by-cookie"}, headers={"Origin": hub.url})
    assert made.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"Sec-Fetch-Site": "cross-site"}, {}],
)
def test_a_form_from_another_origin_is_refused(alice: Browser, headers: dict[str, str]) -> None:
    fields = {**alice.read("/settings").form("/settings", do="profile").fields, "full_name": "Changed"}
    answer = alice.client.post("/settings", data=fields, headers=headers)
    assert answer.status_code == 403
    assert "Changed" not in alice.get("/settings").text


@pytest.mark.parametrize("key", ["", "0" * 64, "é"])
def test_a_form_without_its_key_is_refused(alice: Browser, key: str) -> None:
    fields = {**alice.read("/settings").form("/settings", do="profile").fields, "full_name": "Changed"}
    answer = alice.post("/settings", {**fields, "form_key": key})
    assert answer.status_code == 403 and "This form is out of date." in answer.text
    assert "Changed" not in alice.get("/settings").text


def test_the_key_of_one_browser_is_of_no_use_to_another(hub: Hub, alice: Browser, bob: Browser) -> None:
    fields = bob.read("/settings").form("/settings", do="profile").fields
    assert alice.post("/settings", fields).status_code == 403


def test_every_form_of_every_page_carries_a_key(hub: Hub, alice: Browser, nobody: Browser) -> None:
    for browser, paths in (
        (nobody, ["/login"]),
        (alice, ["/new", "/settings", "/settings/tokens", "/organizations/lab"]),
    ):
        for path in paths:
            forms = [form for form in browser.read(path).forms if form.method == "post"]
            assert forms and all(form.fields.get("form_key") for form in forms), path


def test_a_link_sets_a_password_once_and_ends_other_sessions(hub: Hub, nobody: Browser) -> None:
    hub.add_user("carol")
    with hub.records.write() as session:
        carol = accounts.user(session, "carol")
        older = invitations.make_link(session, "password", user=carol)
        link = invitations.make_link(session, "password", user=carol)
        before = sessions.begin(session, carol)
    assert nobody.get(f"/password?key={older}").status_code == 404, "a new link takes the place of an older one"
    path = f"/password?key={link}"
    short = nobody.post(path, {**nobody.read(path).form("").fields, "password": "short"})
    assert short.status_code == 422 and "it needs at least 10" in short.text
    assert nobody.post(path, {**nobody.read(path).form("").fields, "password": PASSWORD}).status_code == 303
    assert "carol" in nobody.read("/settings").text
    assert nobody.get(path).status_code == 404
    with hub.records.read() as session:
        assert sessions.find(session, before) is None
        assert passwords.fits(accounts.user(session, "carol"), PASSWORD)


def test_an_invitation_makes_a_user(hub: Hub, admin: Browser, nobody: Browser) -> None:
    made = admin.send("/admin/invitations", "/admin/invitations", {"note": ""}, note="for dave")
    link = next(word for word in Read(made.text).words if "/join?key=" in word)
    path = link.removeprefix(hub.url)
    assert "for dave" in admin.read("/admin/invitations").text and path not in admin.get("/admin/invitations").text
    taken = nobody.post(path, {**nobody.read(path).form("").fields, "name": "Alice", "password": PASSWORD})
    assert taken.status_code == 422 and "the name &#39;Alice&#39; is taken" in taken.text
    sent = {**nobody.read(path).form("").fields, "name": "dave", "full_name": "<b>Dave</b>", "password": PASSWORD}
    assert nobody.post(path, sent).status_code == 303
    assert "<b>Dave</b>" in nobody.read("/dave").text, "shown as it was written, not as markup"
    assert nobody.get("/admin").status_code == 403
    assert nobody.get(path).status_code == 404


def test_the_first_admin(tmp_path: object) -> None:
    from enfold.hub.records import Records
    from enfold.hub.server.serving import background_hub
    from enfold.hub.server.settings import HubSettings

    root = tmp_path / "root"  # type: ignore[operator]
    with (
        background_hub(HubSettings(root=root, port=0, trusted_proxies=("127.0.0.0/8",))) as url,
        Browser(url) as browser,
    ):
        records = Records(root / "hub.sqlite")
        with records.write() as session:
            old, link = invitations.setup_link(session), invitations.setup_link(session)
        assert browser.get(f"/setup?key={old}").status_code == 404
        path = f"/setup?key={link}"
        far = browser.get(path, headers={"X-Forwarded-For": "203.0.113.5"})
        assert far.status_code == 403 and "on the machine of the hub alone" in far.text
        sent = {**browser.read(path).form("").fields, "name": "ann", "password": PASSWORD}
        assert browser.post(path, sent).status_code == 303
        assert "ann" in browser.read("/admin").text
        with records.write() as session:
            assert invitations.setup_link(session) is None
            late = invitations.make_link(session, "setup")
        assert browser.get(f"/setup?key={late}").status_code == 404, "there is a user now"
        records.close()


def test_a_password_change_needs_the_old_one(hub: Hub, nobody: Browser) -> None:
    hub.add_user("erin")
    with hub.records.write() as session:
        passwords.set_password(accounts.user(session, "erin"), PASSWORD)
    nobody.sign_in("erin", PASSWORD)
    form = nobody.read("/settings").form("/settings", do="password").fields
    wrong = nobody.post("/settings", {**form, "old": "not this one", "password": "another long one"})
    assert wrong.status_code == 422 and "The old password is wrong." in wrong.text
    assert nobody.post("/settings", {**form, "old": PASSWORD, "password": "another long one"}).status_code == 303
    with hub.records.read() as session:
        assert passwords.fits(accounts.user(session, "erin"), "another long one")


@pytest.mark.parametrize(
    ("password", "message"),
    [("short", "has 5 characters; it needs at least 10"), ("x" * 300, "at most 256"), ("aaaaaaaaaaaa", "too easy")],
)
def test_passwords_that_cannot_be(password: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        passwords.check_password(password, "alice")


def test_a_suspended_user_is_out_at_once(hub: Hub, admin: Browser, nobody: Browser) -> None:
    name = f"u{secrets.token_hex(4)}"
    hub.add_user(name)
    with hub.records.write() as session:
        passwords.set_password(accounts.user(session, name), PASSWORD)
    nobody.sign_in(name, PASSWORD)
    assert admin.send(f"/admin?q={name}", "/admin", {"do": "suspend", "user": name}).status_code == 303
    assert nobody.get("/settings").status_code == 303
    again = nobody.send("/login", "/login", {"name": ""}, name=name, password=PASSWORD)
    assert again.status_code == 403
    assert admin.send(f"/admin?q={name}", "/admin", {"do": "restore", "user": name}).status_code == 303
    nobody.sign_in(name, PASSWORD)
    assert httpx2.get(f"{hub.url}/settings").status_code == 303
    own = admin.post("/admin", {**admin.read("/admin").forms[-1].fields, "do": "suspend", "user": "root"})
    assert own.status_code == 422 and "Another admin has to do this to you." in own.text


def test_a_token_is_shown_once_and_works(hub: Hub, alice: Browser) -> None:
    made = alice.send("/settings/tokens", "/settings/tokens", {"role": "read"}, name="box", role="read", days="30")
    secret = next(word for word in Read(made.text).words if word.startswith("hf_"))
    assert made.headers["cache-control"] == "private, no-store"
    assert hub.ask("GET", "/api/whoami-v2", headers={"Authorization": f"Bearer {secret}"}).json()["name"] == "alice"
    assert secret not in alice.get("/settings/tokens").text
    again = alice.send("/settings/tokens", "/settings/tokens", {"role": "read"}, name="box", role="read")
    assert again.status_code == 422 and "has a token &#39;box&#39; already" in again.text
    assert alice.send("/settings/tokens", "/settings/tokens/revoke", {"name": "box"}).status_code == 303
    assert hub.ask("GET", "/api/whoami-v2", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_a_fine_grained_token_has_the_rights_that_were_chosen(hub: Hub, bob: Browser) -> None:
    page = bob.read("/settings/tokens")
    grants = [given["name"] for given in page.find("select") if given.get("name", "").startswith("grant-")]
    assert len(grants) == 2, "bob, and lab"
    form = page.form("/settings/tokens", role="read").fields
    none = bob.post("/settings/tokens", {**form, "name": "fine", "role": "fineGrained"})
    assert none.status_code == 422 and "needs at least one right" in none.text
    sent = {**form, "name": "fine", "role": "fineGrained", grants[1]: "write", "grant-999999": "admin"}
    secret = next(word for word in Read(bob.post("/settings/tokens", sent).text).words if word.startswith("hf_"))
    with hub.records.read() as session:
        lab = accounts.account(session, "lab", "org")
        token, _ = tokens.find_token(session, secret)
        bearer = accounts.principal_for(session, accounts.user(session, "bob"), token)
    assert [(grant.right, grant.account_id) for grant in bearer.grants] == [("write", lab.id)]
