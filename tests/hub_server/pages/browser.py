"""A browser without a screen: it keeps cookies, reads pages, and sends the forms that stand on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2

__all__ = ["Browser", "Form", "Read"]

_VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclass
class Form:
    """A form on a page: where it goes, and what stands in its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Read(HTMLParser):
    """A page as it is understood: its tags, its text, its forms, its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self._select = self._area = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        if not self.forms or "form" not in self.open:
            return
        fields = self.forms[-1].fields
        if tag == "input" and "name" in given:
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            fields[given["name"]] = given.get("value", "")
        elif tag == "textarea" and "name" in given:
            self._area, fields[given["name"]] = given["name"], ""
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self._select and ("selected" in given or self._select not in fields):
            fields[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
        if tag == "select":
            self._select = ""
        if tag == "textarea" and self._area:
            fields = self.forms[-1].fields
            # As a browser does: the first line end is none, and the others are sent as two characters.
            fields[self._area] = fields[self._area].removeprefix("\n").replace("\n", "\r\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that can be read, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def find(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all tags of that name."""
        return [given for name, given in self.tags if name == tag]

    @property
    def links(self) -> list[str]:
        """Where the page leads to."""
        return [given["href"] for given in self.find("a") if "href" in given]

    def form(self, action: str, **holding: str) -> Form:
        """The form that is sent to an address and has these values in its fields."""
        for each in self.forms:
            if each.action == action and each.method == "post" and holding.items() <= each.fields.items():
                return each
        raise AssertionError(f"no form to {action} with {holding}; there are: {self.forms}")


class Browser:
    """Cookies and pages of one hub."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx2.Client(base_url=url, timeout=30)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def get(self, path: str, **more: Any) -> httpx2.Response:
        """An address, without following where it sends on."""
        return self.client.get(path, **more)

    def read(self, path: str, status: int = 200, **more: Any) -> Read:
        """A page."""
        answer = self.client.get(path, **more)
        assert answer.status_code == status, f"{answer.status_code} {answer.headers.get('location', '')}"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return Read(answer.text)

    def send(self, page: str, action: str, /, holding: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        """Fill in a form of a page and send it, from the page's own address."""
        form = self.read(page).form(action, **(holding or {}))
        return self.post(form.action or page, {**form.fields, **fields})

    def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx2.Response:
        """Send fields, with the headers that a browser gives a form."""
        return self.client.post(path, data=fields, headers={"Origin": self.url, **headers})

    def sign_in(self, name: str, password: str) -> None:
        """Sign in by name and password."""
        answer = self.send("/login", "/login", {"name": ""}, name=name, password=password)
        assert answer.status_code == 303, answer.text
