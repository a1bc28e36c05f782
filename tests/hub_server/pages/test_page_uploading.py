"""Files that are uploaded from a browser: where they are kept, and what is refused."""

from __future__ import annotations

import pytest
from browser import Browser
from filled import fill
from hub_on_loopback import Hub
from huggingface_hub import hf_hub_download

from enfold.hub.pages import uploading
from enfold.hub.store import DEFAULT_ATTRIBUTES


@pytest.fixture(scope="module", autouse=True)
def filled(hub: Hub) -> None:
    fill(hub, "alice/filling", {"README.md": b"# Filling\n", ".gitattributes": DEFAULT_ATTRIBUTES})


def sent(browser: Browser, files: list[tuple[str, bytes]], *, origin: str | None = None, **fields: str) -> object:
    """Choose files, and send the form."""
    page = "/alice/filling/upload/main"
    form = browser.read(page).forms[0].fields
    form.pop("files")
    return browser.client.post(
        page,
        data={**form, **fields},
        files=[("files", each) for each in files],
        headers={"Origin": origin or browser.url},
    )


def test_files_become_one_commit(hub: Hub, alice: Browser, tmp_path: object) -> None:
    weights = bytes(range(256)) * 5000
    answer = sent(alice, [("a.txt", "一\n".encode()), ("w.bin", weights)], folder="sub", title="Two <b>files</b>")
    assert answer.status_code == 303, answer.text  # type: ignore[attr-defined]
    page = alice.read(answer.headers["location"])  # type: ignore[attr-defined]
    assert "Two <b>files</b>" in page.text and "sub/a.txt" in page.text
    listed = alice.read("/alice/filling/tree/main/sub").text
    assert "w.bin LFS" in listed and "1.3 MB" in listed
    got = hf_hub_download("alice/filling", "sub/w.bin", endpoint=hub.url, token=False, local_dir=str(tmp_path))
    with open(got, "rb") as file:  # noqa: PTH123
        assert file.read() == weights
    assert "Upload files" in alice.read("/alice/filling/tree/main").text


def test_what_is_refused(
    hub: Hub, alice: Browser, bob: Browser, nobody: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sent(alice, [("x.txt", b"x")], origin="https://evil.example").status_code == 403  # type: ignore[attr-defined]
    assert sent(alice, [("x.txt", b"x")], form_key="0").status_code == 403  # type: ignore[attr-defined]
    bad = sent(alice, [("x.txt", b"x")], folder="../up")
    assert bad.status_code == 422 and "up" in bad.text  # type: ignore[attr-defined]
    none = alice.post("/alice/filling/upload/main", alice.read("/alice/filling/upload/main").forms[0].fields)
    assert none.status_code == 422 and "Choose at least one file." in none.text
    page = "/alice/filling/upload/main"
    monkeypatch.setattr(uploading, "_MOST_BYTES", 1000)
    many = sent(alice, [("x.txt", b"x" * 2000)])
    assert many.status_code == 413 and "Use hf upload for larger ones." in many.text  # type: ignore[attr-defined]
    assert nobody.get(page).status_code == 303
    alice.read("/alice/filling/upload/no-such-branch", 404)
    assert "Upload files" not in nobody.read("/alice/filling/tree/main").text
    assert "x.txt" not in bob.read("/alice/filling/tree/main").text
