"""Takes a picture of every page of the hub, light and dark, and writes ``docs/hub-pages.md``, which lists them.

    python scripts/hub_screens.py [FOLDER]

Starts a real hub with invented content on loopback and looks at it in Chromium; needs Chromium and its driver
(``apt-get install chromium chromium-driver``), selenium and Pillow. With a FOLDER the pictures go there, and the page
stays as it is. Fails when a page of the hub has no picture.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from fastapi.routing import APIRoute
from invented_hub import DATA, MODEL, PASSWORD, Filled, empty_hub, filled_hub
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

DOCS = Path(__file__).parents[1] / "docs"
NAME = "hub.harbour.example"
WIDTH, TALLEST, MOST_BYTES = 1200, 1500, 120_000
_SHAPES = {":place": r"(?:datasets/|spaces/)?[^/]+(?:/[^/]+)?", ":pieces": r".+"}
"""What a page's address may have in a place of these kinds; in the others it is one piece."""


@dataclass(frozen=True)
class Screen:
    """A page to be taken: who looks at it, where, and what the page of the docs says beside it."""

    name: str
    path: str
    says: str
    who: str | None = "mira"


def screens_of(hub: Filled) -> list[Screen]:
    """Every page of the hub."""
    at, data, slug = f"/{MODEL}", f"/datasets/{DATA}", hub.collection
    return [
        Screen("home", "/", "The first page: what changed last", None),
        Screen("home-chinese", "/?lang=zh", "The same in Chinese", None),
        Screen("models", "/models", "Listing, with search and filters", None),
        Screen("data-sets", "/datasets", "Data sets", None),
        Screen("spaces", "/spaces", "Spaces", None),
        Screen("search", "/search?q=tone", "Search over all kinds", None),
        Screen("card", at, "A model: card, facts, and the lines to use it by"),
        Screen("card-chinese", f"{at}?lang=zh", "The same in Chinese"),
        Screen("likers", f"{at}/likers", "Who likes it"),
        Screen("files", f"{at}/tree/main", "Files"),
        Screen("folder", f"{at}/tree/main/old", "A folder with a pickle that runs code, as the scan found"),
        Screen("unsafe-file", f"{at}/blob/main/old/attempt.pkl", "What the scan found"),
        Screen("tensors", f"{at}/blob/main/model.safetensors", "The header of a safetensors file"),
        Screen("text-file", f"{at}/blob/main/src/train.py", "A text"),
        Screen("rows", f"{data}/blob/main/train.csv", "Rows of a table, by page"),
        Screen("edit", f"{at}/edit/main/src/train.py", "A file is changed: a commit, or a pull request"),
        Screen("new-file", f"{at}/edit/main", "A new file"),
        Screen("upload", f"{at}/upload/main/src", "Upload by drag and drop"),
        Screen("upload-request", f"{at}/upload/main", "The same for who may not write", "wei"),
        Screen("history", f"{at}/commits/main", "History"),
        Screen("history-of-file", f"{at}/commits/main/src/train.py", "The history of one file"),
        Screen("commit", f"{at}/commit/{hub.changed}", "What a commit changed"),
        Screen("branches", f"{at}/branches", "Branches and tags"),
        Screen("discussions", f"{at}/discussions", "Discussions and pull requests"),
        Screen("discussion", f"{at}/discussions/1", "A discussion"),
        Screen("new-discussion", f"{at}/discussions/new", "A new discussion"),
        Screen("pull-request", f"{at}/discussions/{hub.pull}", "A pull request, ready to be merged"),
        Screen("conflict", f"{at}/discussions/{hub.clash}", "One in conflict, and the way out"),
        Screen("settings-repository", f"{at}/settings", "Settings of a repository, moving and deleting it"),
        Screen("gate", "/mira/quiet-hours/settings/access", "Who asked for access to a gated repository"),
        Screen("gated-card", "/mira/quiet-hours", "A gated repository, seen by others", "wei"),
        Screen("ask-access", "/mira/quiet-hours/access", "Asking for access", "wei"),
        Screen("collections", "/collections", "Collections", None),
        Screen("collection", f"/collections/{slug}", "A collection, seen by its owner"),
        Screen("new-collection", "/collections/new", "A new collection"),
        Screen("account", "/harbour-lab", "What an organisation has", None),
        Screen("organisation", "/organizations/harbour-lab", "Members of an organisation and their roles"),
        Screen("new-organisation", "/organizations/new", "A new organisation"),
        Screen("new", "/new", "A new repository"),
        Screen("settings", "/settings", "Profile and password"),
        Screen("tokens", "/settings/tokens", "Tokens"),
        Screen("webhooks", "/settings/webhooks", "Webhooks"),
        Screen("webhook", f"/settings/webhooks/{hub.hook}", "A webhook and its last messages"),
        Screen("device", "/login/device", "Signing a device in by its code"),
        Screen("admin-users", "/admin", "Admin: users"),
        Screen("admin-invitations", "/admin/invitations", "Admin: invitations"),
        Screen("admin-quotas", "/admin/quotas", "Admin: quotas"),
        Screen("admin-jobs", "/admin/jobs", "Admin: work that waits"),
        Screen("admin-audit", "/admin/audit", "Admin: the audit log"),
        Screen("login", "/login", "Signing in", None),
        Screen("join", f"/join?key={hub.join_key}", "An invitation", None),
        Screen("password", f"/password?key={hub.password_key}", "Setting a password by link", None),
        Screen("error", "/harbour-lab/nothing-here", "What is missing, or may not be seen", None),
    ]


def uncovered(screens: list[Screen]) -> list[str]:
    """The pages that no screen shows; files of the pages, and bytes, are none."""
    from enfold.hub.pages.routes import PAGES  # after the server, which knows the kinds of places in addresses

    routes = [
        route for router in PAGES for route in router.routes if isinstance(route, APIRoute) and "GET" in route.methods
    ]
    left = []
    for route in routes:
        if re.search(r"^/(assets|avatars)|/view/", route.path):
            continue
        pattern = re.sub(r"\{\w+(:\w+)?\}", lambda found: _SHAPES.get(found[1] or "", r"[^/]+"), route.path)
        if not any(re.fullmatch(pattern, each.path.partition("?")[0]) for each in screens):
            left.append(route.path)
    return left


def _found(program: str) -> str:
    """Where a program is, so that none is fetched from elsewhere."""
    path = shutil.which(program)
    if path is None:
        raise SystemExit(f"{program} is missing: apt-get install chromium chromium-driver")
    return path


class Camera:
    """A browser that takes pictures of pages.

    Args:
        url: the hub's address.
    """

    def __init__(self, url: str) -> None:
        options = webdriver.ChromeOptions()
        for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"):
            options.add_argument(each)
        options.add_argument(f"--window-size={WIDTH},900")
        # The pictures show a name in place of loopback and a port that is another each time.
        options.add_argument(f"--host-resolver-rules=MAP {NAME} {url.removeprefix('http://')}")
        options.add_argument(f"--unsafely-treat-insecure-origin-as-secure=http://{NAME}")
        options.binary_location = _found("chromium")
        service = webdriver.ChromeService(_found("chromedriver"))
        self.driver = webdriver.Chrome(options, service)
        self.driver.implicitly_wait(10)  # a page that a click leads to may not be there yet
        self.url, self.who = f"http://{NAME}", None

    def be(self, who: str | None) -> None:
        """Sign in as somebody, or out."""
        if who == self.who:
            return
        self.driver.delete_all_cookies()
        self.who = who
        if who is not None:
            self.driver.get(f"{self.url}/login")
            self.driver.find_element(By.ID, "name").send_keys(who)
            self.driver.find_element(By.ID, "password").send_keys(PASSWORD)
            self.driver.find_element(By.CSS_SELECTOR, "main form button").click()
            if who not in self.driver.find_element(By.CSS_SELECTOR, "header .me").text:
                raise SystemExit(f"{who} could not sign in")

    def take(self, path: str, *, dark: bool) -> bytes:
        """A page as it is seen, down to a height."""
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.driver.get(self.url + path)
        self._check(path)
        height = int(self.driver.execute_script("return document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": min(height, TALLEST), "scale": 1}
        asked = {"format": "png", "clip": clip, "captureBeyondViewport": True}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])

    def _check(self, path: str) -> None:
        """Nothing may stick out at the side, and the console must be silent."""
        wide = self.driver.execute_script("return document.documentElement.scrollWidth")
        said = [each["message"] for each in self.driver.get_log("browser") if "nothing-here" not in each["message"]]
        if wide > WIDTH or said:
            raise SystemExit(f"{path}: {wide} pixels wide; {said}")


def packed(png: bytes) -> bytes:
    """A picture with so few colours that it is small."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (96, 48, 24, 12):
        buffer = io.BytesIO()
        image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            buffer, "PNG", optimize=True
        )
        if len(buffer.getvalue()) < MOST_BYTES:
            break
    return buffer.getvalue()


def listed(screens: list[Screen]) -> str:
    """The page of the docs."""
    lines = [
        "# The hub's pages",
        "",
        "Every page of a [hub](hub.md), light and dark: the browser's own setting decides. The content is invented.",
        "`python scripts/hub_screens.py` starts a hub, fills it and takes the pictures again.",
        "",
    ]
    for each in screens:
        light, dark = (f"images/hub/{each.name}-{scheme}.png" for scheme in ("light", "dark"))
        lines += [f"## {each.says}", "", "| light | dark |", "|---|---|"]
        lines += [f"| ![{each.says}]({light}) | ![the same, dark]({dark}) |", ""]
    return "\n".join(lines)


def take(url: str, screens: list[Screen], folder: Path) -> None:
    """Take these pages of a hub, light and dark."""
    camera = Camera(url)
    try:
        for each in screens:
            camera.be(each.who)
            for scheme in ("light", "dark"):
                picture = packed(camera.take(each.path, dark=scheme == "dark"))
                (folder / f"{each.name}-{scheme}.png").write_bytes(picture)
            if "lang=zh" in each.path:
                camera.take("/?lang=en", dark=False)
    finally:
        camera.driver.quit()


def main() -> None:
    """Take them all."""
    given = sys.argv[1:]
    folder = Path(given[0]) if given else DOCS / "images" / "hub"
    folder.mkdir(parents=True, exist_ok=True)
    with empty_hub() as (url, key):
        first = [Screen("setup", f"/setup?key={key}", "The first start: the first admin", None)]
        take(url, first, folder)
    with filled_hub() as hub:
        screens = screens_of(hub)
        if left := uncovered(first + screens):
            raise SystemExit(f"these pages have no picture: {left}")
        take(hub.url, screens, folder)
    if not given:
        (DOCS / "hub-pages.md").write_text(listed(screens + first), encoding="utf-8")
    print(f"{2 * len(first + screens)} pictures in {folder}")


if __name__ == "__main__":
    main()
