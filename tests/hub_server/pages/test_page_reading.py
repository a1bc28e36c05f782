"""What can be read in a browser: cards, files, tables, tensors, history; and what hostile content does not do."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from browser import Browser, Read
from filled import add_files, fill
from hub_on_loopback import Hub
from markupsafe import escape

from enfold.hub.pages import preview
from enfold.hub.pages.avatars import draw
from enfold.hub.pages.card import render_card
from enfold.hub.pages.language import CHINESE, chosen_language
from enfold.hub.pages.routes import PAGES
from enfold.hub.records.names import AFTER_REPOSITORY, RESERVED
from enfold.hub.records.repositories import find_repository
from enfold.hub.scans import confinement

PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)
CARD = """---
license: mit
pipeline_tag: text-classification
library_name: transformers
---
# A model <b>of mine</b>

![logo](img/logo.png) ![badge](https://elsewhere.example/badge.svg) [more](docs/more.md) [top](#a-model-of-mine)

<script>alert(1)</script><img src=x onerror="alert(2)"><a href="javascript:alert(3)">x</a>
<style>body{display:none}</style><iframe src="https://elsewhere.example"></iframe>
<form action="/logout"><button>y</button></form>

| a | b |
|---|--:|
| 1 | 2 |
"""
HOSTILE = "<img src=x onerror=alert(1)>&'\".txt"


def safetensors() -> bytes:
    header = {
        "__metadata__": {"format": "pt", "note": "<i>hi</i>"},
        "b.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "a.<bias>": {"dtype": "BF16", "shape": [5], "data_offsets": [24, 34]},
        "scalar": {"dtype": "F32", "shape": [], "data_offsets": [34, 38]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(38)


def parquet(rows: int) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"text": [f"row {n}" for n in range(rows)], "n": range(rows)}).write_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module", autouse=True)
def filled(hub: Hub) -> None:
    files = {
        "README.md": CARD.encode(),
        "config.json": b'{"model_type": "bert", "architectures": ["BertForSequenceClassification"]}\n',
        "model.safetensors": safetensors(),
        "broken.safetensors": b"\xff" * 30,
        "img/logo.png": PNG,
        "page.html": b"<script>alert(1)</script>\n",
        "picture.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>\n",
        HOSTILE: b"<b>not markup</b>\r\nsecond line",
        "raw.bin": b"\0\1\2",
        "\u4e2d\u6587/\u6587\u4ef6.txt": "\u5185\u5bb9\n".encode(),
    }
    fill(hub, "alice/m", files)
    tables = {
        "README.md": b"---\ntags: [a: b: c]\n---\n# Rows\n",
        "train.csv": b"text,<label>\n" + b"".join(b'"row, %d",%d\n' % (n, n % 2) for n in range(120)),
        "rows.jsonl": b"".join(json.dumps({"n": n, "more": {"x": [n]}}).encode() + b"\n" for n in range(3)),
        "rows.parquet": parquet(130),
        "broken.parquet": b"PAR1 not really",
        "broken.jsonl": b"{not json\n",
        "empty.csv": b"",
        "long.csv": b"a\n" + b"x" * 3_000_000,
    }
    fill(hub, "lab/rows", tables, kind="dataset")
    fill(hub, "alice/hidden", {"README.md": b"# Hidden\n", "a.txt": b"secret words\n"}, private=True)


def every_page() -> list[str]:
    pages = ["/", "/models", "/datasets", "/spaces", "/search?q=m", "/login", "/alice", "/lab", "/nobody-here"]
    pages += [f"/alice/m{rest}" for rest in ("", "/tree/main", "/tree/main/img", "/commits/main", "/commit/main")]
    pages += [f"/alice/m/blob/main/{name}" for name in ("page.html", "model.safetensors", "raw.bin", "img/logo.png")]
    return [*pages, "/datasets/lab/rows", "/datasets/lab/rows/blob/main/train.csv"]


@pytest.mark.parametrize("path", every_page())
def test_no_page_has_script_or_style_of_its_own_and_all_can_be_reached_by_keyboard(nobody: Browser, path: str) -> None:
    answer = nobody.get(path)
    page = Read(answer.text)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [given.get("src", "").partition("?")[0] for given in page.find("script")] == ["/assets/hub.js"]
    assert not page.find("style") and not page.find("iframe")
    for tag, given in page.tags:
        assert not [name for name in given if name.startswith("on") or name == "style"], (tag, given)
        if tag == "img":
            assert "alt" in given and given["src"].startswith("/"), given
        if tag == "a" and "href" in given:
            assert not given["href"].lower().startswith(("javascript:", "data:")), given
    assert page.find("html")[0]["lang"] == "en"
    assert len(page.find("h1")) >= 1 and len(page.find("main")) == 1
    assert next(given for tag, given in page.tags if tag == "a") == {"class": "skip", "href": "#main"}
    labelled = {given.get("for") for given in page.find("label")}
    for tag, given in page.tags:
        if tag in ("input", "select", "textarea") and given.get("type") not in ("hidden", "checkbox", "radio"):
            assert given.get("id") in labelled or given.get("aria-label"), given
    identifiers = [given["id"] for _, given in page.tags if "id" in given]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(
    "path",
    [
        *("/settings", "/settings/tokens", "/settings/webhooks", "/new", "/organizations/lab", "/collections/new"),
        *("/alice/m", "/alice/m/likers", "/alice/m/edit/main", "/alice/m/upload/main", "/collections"),
        *("/alice/m/settings", "/alice/m/settings/access", "/alice/m/branches", "/alice/m/access"),
    ],
)
def test_the_same_of_pages_with_forms(alice: Browser, path: str) -> None:
    test_no_page_has_script_or_style_of_its_own_and_all_can_be_reached_by_keyboard(alice, path)


@pytest.mark.parametrize("path", ["/admin", "/admin/invitations", "/admin/audit", "/admin/quotas", "/admin/jobs"])
def test_the_same_of_pages_of_admins(admin: Browser, path: str) -> None:
    test_no_page_has_script_or_style_of_its_own_and_all_can_be_reached_by_keyboard(admin, path)


def test_a_card(nobody: Browser) -> None:
    page = nobody.read("/alice/m")
    assert "A model of mine" in page.text
    assert "alert(1)" not in page.text and "display:none" not in page.text
    assert [given["src"] for given in page.find("img") if "/view/" in given["src"]] == [
        "/alice/m/view/main/img/logo.png",
        "/alice/m/view/main/x",
    ]
    assert "https://elsewhere.example/badge.svg" in page.links, "a remote image is a link"
    assert "/alice/m/blob/main/docs/more.md" in page.links
    assert "#user-a-model-of-mine" in page.links and {"id": "user-a-model-of-mine"} in page.find("h1")
    assert [form.action for form in page.forms] == [], "no form of the card's own"


def test_the_lines_to_use_a_model_by_name_this_hub(hub: Hub, nobody: Browser) -> None:
    text = nobody.read("/alice/m").text
    for line in (
        f"export HF_ENDPOINT={hub.url}",
        "hf download alice/m",
        'model = AutoModelForSequenceClassification.from_pretrained("alice/m")',
        f"git clone {hub.url}/alice/m",
    ):
        assert line in text
    assert "hf download lab/rows --repo-type dataset" in nobody.read("/datasets/lab/rows").text


def test_a_card_with_a_bad_header_says_where_and_is_shown_all_the_same(nobody: Browser) -> None:
    text = nobody.read("/datasets/lab/rows").text
    assert "The header of the card cannot be read" in text and "line 2" in text
    assert "Rows" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](../../../../etc)", '<a href="/p/etc">'),
        ("[x](/models)", '<a href="/models">'),
        ("[x](//evil.example/)", 'href="https://evil.example/"'),
        ("[x](/\\evil.example)", '<a href="/%5Cevil.example">'),
        ("![x](data:image/png;base64,AA)", "<p>x</p>"),
        ("![a](https://x.example/i.png)", '<a href="https://x.example/i.png" rel="nofollow ugc noreferrer"'),
        ("[![a](https://x.example/i.png)](https://y.example)", ">a</a>"),
        ("<a href='http://[bad'>x</a>", "<a>x</a>"),
        ('<div id="main" class="top" name="form_key">x</div>', "<div>x</div>"),
        ("<svg><script>alert(1)</script></svg>", ""),
        ("<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", ""),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("> " * 5000, ""),
    ],
)
def test_what_a_card_cannot_do(text: str, expected: str) -> None:
    html = render_card(text, files="/f", pages="/p")
    assert expected in html
    assert not re.search(r"<(script|style|form|svg|iframe)|onerror|javascript:", html)


def test_a_folder_and_its_files(nobody: Browser) -> None:
    page = nobody.read("/alice/m/tree/main")
    names = [link.rpartition("/")[2] for link in page.links if "/blob/main/" in link or "/tree/main/" in link]
    assert names[:2] == ["img", "%E4%B8%AD%E6%96%87"], "folders first"
    assert HOSTILE in page.text and str(escape(HOSTILE)) in nobody.get("/alice/m/tree/main").text
    assert "Add files" in page.text and "initial commit" in page.text, "the last commit of each"
    inside = nobody.read("/alice/m/tree/main/%E4%B8%AD%E6%96%87")
    assert "\u6587\u4ef6.txt" in inside.text
    assert nobody.get("/alice/m/tree/main/config.json").headers["location"] == "/alice/m/blob/main/config.json"
    assert nobody.get("/alice/m/blob/main/img").headers["location"] == "/alice/m/tree/main/img"
    nobody.read("/alice/m/tree/main/nothing", 404)
    nobody.read("/alice/m/tree/no-such-branch", 404)


def test_a_folder_of_many_files_comes_by_page(hub: Hub, nobody: Browser) -> None:
    fill(hub, "alice/many", {f"f{n:04}.txt": b"%d" % n for n in range(450)})
    seen: list[str] = []
    path: str | None = "/alice/many/tree/main"
    while path:
        page = nobody.read(path)
        seen += [link for link in page.links if "/blob/main/f" in link]
        path = next((given["href"] for given in page.find("a") if given.get("rel") == "next"), None)
    assert len(seen) == len(set(seen)) == 450


def test_the_text_of_a_file_is_text(nobody: Browser) -> None:
    name = next(link for link in nobody.read("/alice/m/tree/main").links if "onerror" in link)
    page = nobody.read(name)
    assert "<b>not markup</b>" in page.text and "second line" in page.text
    assert not [given for given in page.find("img") if given["src"] == "x"]
    assert "<script>alert(1)</script>" in nobody.read("/alice/m/blob/main/page.html").text
    assert "is not text" in nobody.read("/alice/m/blob/main/raw.bin").text


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("page.html", "text/plain; charset=utf-8"),
        ("picture.svg", "text/plain; charset=utf-8"),
        ("raw.bin", "application/octet-stream"),
        ("img/logo.png", "image/png"),
    ],
)
def test_bytes_are_sent_so_that_none_of_them_run(nobody: Browser, path: str, kind: str) -> None:
    answer = nobody.get(f"/alice/m/view/main/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_tensors_as_a_table(nobody: Browser) -> None:
    text = nobody.read("/alice/m/blob/main/model.safetensors").text
    assert "3 tensors" in text and "12 parameters: 7 F32, 5 BF16" in text
    assert text.index("a.<bias> 5 BF16 5") < text.index("b.weight 2 × 3 F32 6") < text.index("scalar – F32 1")
    assert "<i>hi</i>" in text
    assert "is no safetensors file" in nobody.read("/alice/m/blob/main/broken.safetensors").text


def test_rows_by_page(nobody: Browser) -> None:
    base = "/datasets/lab/rows/blob/main"
    first = nobody.read(f"{base}/train.csv")
    assert "text <label>" in first.text and "row, 0 0" in first.text and "row, 49" in first.text
    assert "row, 50" not in first.text
    following = next(given["href"] for given in first.find("a") if given.get("rel") == "next")
    assert "row, 50" in nobody.read(following).text
    last = nobody.read(f"{base}/train.csv?rows=3")
    assert "row, 119" in last.text and not [given for given in last.find("a") if given.get("rel") == "next"]
    assert 'n more 0 {"x": [0]} 1 {"x": [1]}' in nobody.read(f"{base}/rows.jsonl").text
    second = nobody.read(f"{base}/rows.parquet?rows=2").text
    assert "130 rows" in second and "row 50 50" in second and "row 99" in second and "row 100" not in second


@pytest.mark.parametrize("name", ["broken.parquet", "broken.jsonl", "empty.csv", "long.csv"])
def test_a_table_that_cannot_be_read_has_no_preview(nobody: Browser, name: str) -> None:
    assert "There is no preview" in nobody.read(f"/datasets/lab/rows/blob/main/{name}").text


@pytest.mark.parametrize(
    ("does", "dies_of"),
    [
        ("open('OUT', 'wb', 0).write(b'x')", "File too large"),
        ("x = bytearray(600_000_000)", "MemoryError"),
    ],
)
def test_the_child_that_reads_tables_has_limits(does: str, dies_of: str, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(does.replace("OUT", str(tmp_path / "out")))
    command = [sys.executable, "-I", confinement.__file__, "data", str(child)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0 and (dies_of in ended.stderr or ended.returncode < 0)
    assert not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size == 0


def test_a_child_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(preview, "_CHILD", slow)
    monkeypatch.setattr(preview, "_SECONDS", 0.5)
    with slow.open("rb") as file:
        assert preview._ask("{}", file.fileno()) is None


def test_history_and_differences(hub: Hub, nobody: Browser) -> None:
    fill(hub, "alice/changing", {"README.md": b"# One\nsame\n", "gone.txt": b"bye\n"})
    with hub.records.read() as session:
        repository = find_repository(session, "model", "alice/changing")
    files = {"README.md": b"# Two <script>\nsame\n", "new.bin": b"\0\1"}
    commit = add_files(hub, repository, files, "Change <b>things</b>")
    page = nobody.read("/alice/changing/commits/main")
    assert "Change <b>things</b>" in page.text and "initial commit" in page.text
    assert "initial commit" not in nobody.read("/alice/changing/commits/main/new.bin").text
    shown = nobody.read(f"/alice/changing/commit/{commit}")
    assert "# One" in shown.text and "# Two <script>" in shown.text and "+1" in shown.text
    assert "not text, or too large" in shown.text
    kinds = [given["class"] for given in shown.find("tr") if given.get("class")]
    assert kinds == ["where", "removed", "added", "same"]
    nobody.read(f"/alice/changing/commit/{'0' * 40}", 404)
    nobody.read(f"/alice/m/commit/{commit}", 404)


def test_what_is_private_and_what_is_missing_look_alike(
    hub: Hub, nobody: Browser, alice: Browser, bob: Browser
) -> None:
    assert "secret words" in alice.read("/alice/hidden/blob/main/a.txt").text
    assert alice.get("/alice/hidden/view/main/a.txt").text == "secret words\n"
    assert "alice/hidden" in alice.read("/models").text
    for browser in (nobody, bob):
        for rest in ("", "/tree/main", "/blob/main/a.txt", "/view/main/a.txt", "/commits/main", "/commit/main"):
            there, missing = (browser.read(f"/alice/{name}{rest}", 404).text for name in ("hidden", "missin"))
            assert there.replace("hidden", "missin") == missing
        for path in ("/", "/models", "/search?q=hidden", "/alice"):
            assert "alice/hidden" not in browser.read(path).text
    told = [bob.read(f"/alice/{name}/settings", 404).text for name in ("hidden", "missin")]
    assert told[0] == told[1]
    sent = [nobody.get(f"/alice/{name}/settings") for name in ("hidden", "missin")]
    assert [answer.headers["location"].replace("hidden", "missin") for answer in sent] == [
        "/login?next=%2Falice%2Fmissin%2Fsettings"
    ] * 2


def test_a_gate_keeps_content_back_and_shows_the_rest(hub: Hub, nobody: Browser, alice: Browser) -> None:
    fill(hub, "alice/gated", {"README.md": b"# Gated\n", "a.txt": b"secret words\n"})
    with hub.records.write() as session:
        found = find_repository(session, "model", "alice/gated")
        assert found is not None
        found.gated = "manual"
    assert "Gated" in nobody.read("/alice/gated").text
    assert "secret words" not in nobody.read("/alice/gated/blob/main/a.txt").text
    assert "secret words" not in nobody.read("/alice/gated/commit/main").text
    assert nobody.get("/alice/gated/view/main/a.txt").status_code in (303, 403)
    assert "secret words" in alice.read("/alice/gated/blob/main/a.txt").text


def test_search_and_filters(nobody: Browser) -> None:
    assert "/alice/m" in nobody.read("/models?task=text-classification").links
    assert "/alice/m" not in nobody.read("/models?task=other").links
    assert "/alice/m" in nobody.read("/models?tag=license:mit&author=Alice").links
    assert "/datasets/lab/rows" in nobody.read("/search?q=rows").links
    assert "Nothing was found." in nobody.read("/search?q=%22%3Cscript%3E").text
    assert nobody.get("/models?cursor=nonsense").headers["location"] == "/models"


def test_an_old_name_leads_to_the_new_one(hub: Hub, alice: Browser, nobody: Browser) -> None:
    fill(hub, "alice/before", {"README.md": b"# Moved\n"})
    moved = alice.send("/alice/before/settings", "", {"do": "rename"}, name="alice/after")
    assert moved.headers["location"] == "/alice/after/settings?said=saved"
    answer = nobody.get("/alice/before/tree/main?x=1")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{hub.url}/alice/after/tree/main?x=1")


def test_making_changing_and_deleting_a_repository(hub: Hub, alice: Browser, bob: Browser) -> None:
    bad = alice.send("/new", "/new", name="no/slashes here")
    assert bad.status_code == 422 and "cannot be the name of a repository" in bad.text
    made = alice.send("/new", "/new", type="dataset", owner="lab", name="fresh", private="yes", license="mit")
    assert made.headers["location"] == "/datasets/lab/fresh"
    assert "license:mit" in alice.read("/datasets/lab/fresh").text
    settings = "/datasets/lab/fresh/settings"
    changed = alice.send(settings, "", {"do": "change"}, private="no", gated="auto", description="<i>of rows</i>")
    assert changed.status_code == 303
    assert "<i>of rows</i>" in bob.read("/datasets/lab/fresh").text
    bob.read(settings, 403)
    wrong = alice.send(settings, "", {"do": "delete"}, name="lab/other")
    assert wrong.status_code == 422 and "write its whole name" in wrong.text
    assert alice.send(settings, "", {"do": "delete"}, name="lab/fresh").status_code == 303
    alice.read("/datasets/lab/fresh", 404)
    refused = bob.send("/new", "/new", owner="alice", name="not-mine")
    assert refused.status_code == 422 and "rights to create" in refused.text


def test_organisations(hub: Hub, alice: Browser, bob: Browser) -> None:
    made = alice.send("/organizations/new", "/organizations/new", name="team", full_name="The <b>Team</b>")
    assert made.headers["location"] == "/organizations/team?said=made"
    page = "/organizations/team"
    assert alice.send(page, "", {"do": "role"}, user="bob", role="read").status_code == 303
    assert {"bob", "alice"} <= set(alice.read("/team").words)
    bob.read(page, 403)
    last = alice.send(page, "", {"do": "remove", "user": "alice"})
    assert last.status_code == 422 and "at least one admin" in last.text
    assert alice.send(page, "", {"do": "remove", "user": "bob"}).status_code == 303
    unknown = alice.send(page, "", {"do": "role"}, user="bobb", role="read")
    assert unknown.status_code == 422 and "did you mean" in unknown.text


def test_admin_pages_are_for_admins(hub: Hub, admin: Browser, alice: Browser, nobody: Browser) -> None:
    for path in ("/admin", "/admin/invitations", "/admin/audit", "/admin/quotas", "/admin/jobs"):
        alice.read(path, 403)
        assert nobody.get(path).headers["location"].startswith("/login?next=")
    assert "repository.create" in admin.read("/admin/audit").text
    assert "alice" in admin.read("/admin?q=ali").text and "bob" not in admin.read("/admin?q=ali").words
    link = admin.send("/admin?q=bob", "/admin", {"do": "password", "user": "bob"})
    assert "/password?key=" in link.text


def test_every_text_of_a_page_is_there_in_chinese() -> None:
    import enfold.hub.pages

    folder = Path(enfold.hub.pages.__file__).parent / "templates"
    asked = {text for file in folder.glob("*.j2") for text in re.findall(r'(?:\bt|\.say)\("([^"]+)"', file.read_text())}
    assert len(asked) > 150
    assert asked <= set(CHINESE)
    for english, chinese in CHINESE.items():
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", chinese), english


def test_the_language_of_a_page(nobody: Browser) -> None:
    assert (
        nobody.read("/models", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}).find("html")[0]["lang"] == "zh"
    )
    assert "\u6a21\u578b" in nobody.read("/models?lang=zh").text
    assert nobody.read("/models").find("html")[0]["lang"] == "zh", "it is kept"
    assert nobody.read("/models?lang=en").find("html")[0]["lang"] == "en"
    assert chosen_language("xx", "", "fr;q=0.9, zh;q=0.2, en;q=0.1") == "zh"
    assert chosen_language("", "", "*, de") == "en"


def test_pictures_of_accounts(nobody: Browser) -> None:
    answer = nobody.get("/avatars/alice.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.text == draw("Alice") != draw("bob")
    assert nobody.get("/avatars/alice.png").status_code == 404


def test_files_of_the_pages(nobody: Browser) -> None:
    page = nobody.read("/")
    (sheet,) = [given["href"] for given in page.find("link") if given["rel"] == "stylesheet"]
    answer = nobody.get(sheet)
    assert (
        answer.headers["content-type"] == "text/css; charset=utf-8" and "immutable" in answer.headers["cache-control"]
    )
    assert nobody.get("/assets/other.js").status_code == 404


def test_what_pages_answer_at_is_no_name_for_an_account_or_a_repository() -> None:
    paths = [str(getattr(route, "path", "")) for router in PAGES for route in router.routes]
    first = {path.split("/")[1] for path in paths if not path.startswith("/{")} - {""}
    assert {"login", "settings", "admin", "avatars"} <= first <= RESERVED
    after = {match for path in paths for match in re.findall(r"\{place:place\}/([^/{]+)", path)}
    assert {"tree", "blob", "upload", "discussions"} <= after <= AFTER_REPOSITORY
