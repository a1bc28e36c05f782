"""A real browser: signs in, uploads, reads a card, browses a difference, opens a pull request and merges it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filled import fill
from hub_on_loopback import Hub

from enfold.hub.store import DEFAULT_ATTRIBUTES

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install selenium")

PROGRAMS = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
pytestmark = pytest.mark.skipif(
    not all(PROGRAMS.values()), reason="no Chromium to test with: apt-get install chromium chromium-driver"
)
PASSWORD = "a long sentence of mine"
REPO = "alice/in-chromium"
CARD = b"""---
license: mit
---
# In Chromium

<script>document.title = "taken over"</script><svg onload="document.title = 'taken over'"></svg>

| a | b |
|---|---|
| 1 | 2 |
"""


class Chromium:
    """The browser, and what a person does in it: go, look, fill in, press.

    Args:
        url: the hub's address.
    """

    def __init__(self, url: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = PROGRAMS["chromium"]
        for each in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--force-prefers-reduced-motion",
        ):
            options.add_argument(each)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(PROGRAMS["chromedriver"]))
        self.driver.implicitly_wait(5)
        self.url = url

    def go(self, path: str) -> None:
        self.driver.get(self.url + path)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def fill(self, selector: str, text: str) -> None:
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def press(self, words: str) -> None:
        """The button or link of the main part that reads so; the page that it leads to is there when this returns."""
        self.driver.execute_script("document.documentElement.dataset.before = 'yes'")
        path = f"//main//*[self::button or self::a][normalize-space()='{words}']"
        self.driver.find_element("xpath", path).click()
        there = "return document.readyState == 'complete' && !document.documentElement.dataset.before"
        for _ in range(500):
            if self.driver.execute_script(there):
                return
            time.sleep(0.02)
        raise AssertionError(f"{words!r} led nowhere from {self.path}")

    @property
    def text(self) -> str:
        return str(self.find("main").text)

    @property
    def path(self) -> str:
        return str(self.driver.current_url).removeprefix(self.url)

    def complaints(self) -> list[str]:
        """What the console says: a policy that was broken, a script that failed, a file that was not there."""
        return [each["message"] for each in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def chromium(hub: Hub) -> Iterator[Chromium]:
    fill(hub, REPO, {"README.md": CARD, ".gitattributes": DEFAULT_ATTRIBUTES, "src/a.py": b"one = 1\n"})
    browser = Chromium(hub.url)
    try:
        yield browser
    finally:
        browser.driver.quit()


def test_from_signing_in_to_a_merged_pull_request(hub: Hub, chromium: Chromium, tmp_path: Path) -> None:
    chromium.go("/login")
    chromium.fill("#name", "alice")
    chromium.fill("#password", PASSWORD)
    chromium.press("Sign in")
    assert chromium.find("header .me").text == "alice"

    chromium.go(f"/{REPO}")
    assert "In Chromium" in chromium.text and "taken over" not in chromium.driver.title
    assert chromium.find("article table td").text == "1"
    assert chromium.find("button.copy").is_displayed(), "the page's own script ran"
    chromium.press("♡ Like")
    assert "1 like" in chromium.text

    weights = tmp_path / "weights.bin"
    weights.write_bytes(bytes(range(256)) * 4000)
    (tmp_path / "notes.txt").write_text("Notes\n")
    chromium.press("Files")
    chromium.press("Upload files")
    chromium.find("#files").send_keys(f"{weights}\n{tmp_path / 'notes.txt'}")
    chromium.fill("#folder", "new")
    chromium.fill("#title", "Two files")
    chromium.press("Upload")
    assert "Two files" in chromium.text and "new/notes.txt" in chromium.text and "+1 −0" in chromium.text
    assert hub.ask("GET", f"/{REPO}/resolve/main/new/weights.bin").content == weights.read_bytes()

    chromium.go(f"/{REPO}/blob/main/src/a.py")
    chromium.press("Change")
    chromium.fill("#content", "one = 1\ntwo = 2\n")
    chromium.fill("#title", "Count to two")
    chromium.find("input[name=how][value=ask]").click()
    chromium.press("Save")
    assert chromium.path == f"/{REPO}/discussions/1"
    assert "Count to two" in chromium.text and chromium.find("tr.added td:last-child").text == "two = 2"
    assert hub.ask("GET", f"/{REPO}/resolve/main/src/a.py").content == b"one = 1\n"
    chromium.press("Merge into main")
    assert "merged" in chromium.text and "Merged as" in chromium.text
    assert hub.ask("GET", f"/{REPO}/resolve/main/src/a.py").content == b"one = 1\ntwo = 2\n"

    chromium.press("History")
    chromium.press("Count to two")
    assert chromium.find("tr.added td:last-child").text == "two = 2"
    assert chromium.complaints() == []


def test_files_are_dropped(chromium: Chromium) -> None:
    chromium.go(f"/{REPO}/upload/main")
    dropped = """
        const data = new DataTransfer();
        data.items.add(new File(["dropped"], "dropped.txt"));
        const place = document.querySelector(".drop");
        place.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        return [...document.querySelector("#files").files].map((each) => each.name);
    """
    assert chromium.driver.execute_script(dropped) == ["dropped.txt"]
    chromium.press("Upload")
    assert "dropped.txt" in chromium.text


@pytest.mark.parametrize("path", ["/", "/models", f"/{REPO}", f"/{REPO}/tree/main", f"/{REPO}/edit/main", "/settings"])
def test_pages_follow_the_scheme_and_fit_a_telephone(chromium: Chromium, path: str) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        chromium.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        chromium.go(path)
        colours.add(chromium.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    chromium.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chromium.go(path)
    wide = chromium.driver.execute_script("return document.documentElement.scrollWidth")
    chromium.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 360
    assert chromium.complaints() == []
