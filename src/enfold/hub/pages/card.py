"""A card as HTML: Markdown by strangers, of which nothing may run, load from elsewhere, or pose as the hub.

markdown-it makes HTML (CommonMark, tables, strikethrough), nh3 throws away all but harmless tags, and the pass of this
module then gives relative addresses their place and turns every image from elsewhere into a link.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["render_card"]

_LONGEST = 300_000
_TAGS = frozenset(
    """
    a abbr b blockquote br center code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd
    li ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead tr tt u ul
    """.split()
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan"},
    "ol": {"start"},
    "details": {"open"},
    "abbr": {"title"},
}
_SCHEMES = {"http", "https", "mailto"}
_VOID = frozenset({"br", "hr", "img"})
_NOT_IN_NAMES = re.compile(r"[^\w\- ]")
_ALIGNED = re.compile(r'(?<=<t[hd]) style="text-align:(right|center|left)"')
_TASK = re.compile(r"(?<=<li>)\[([ xX])\] ")


def render_card(text: str, *, files: str, pages: str) -> Markup:
    """Markdown as HTML that is safe to show.

    Args:
        text: the Markdown, without its header; what is over a limit of 300,000 characters is cut.
        files: the address that relative images are below.
        pages: the address that relative links are below.
    """
    import nh3

    html = _ALIGNED.sub(r' align="\1"', _markdown().render(text[:_LONGEST]))
    html = _TASK.sub(lambda match: "☐ " if match.group(1) == " " else "☑ ", html)
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags={"script", "style", "iframe", "object", "embed", "svg", "math", "template", "noscript"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(_SCHEMES),
        link_rel=None,
        strip_comments=True,
    )
    placed = _Placed(files, pages)
    placed.feed(clean)
    placed.close()
    return Markup("".join(placed.out))


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True, "maxNesting": 30}).enable(["table", "strikethrough"])


class _Placed(HTMLParser):
    """Writes clean HTML again, with addresses in their place and names on headings."""

    def __init__(self, files: str, pages: str) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._files = files
        self._pages = pages
        self._in_link = 0
        self._heading: tuple[int, list[str]] | None = None
        self._names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """A tag begins."""
        given = {name: value or "" for name, value in attrs}
        if tag == "img":
            self._image(given)
            return
        if tag == "a":
            self._in_link += 1
            href = self._href(given.pop("href", ""))
            if href is not None:
                given["href"] = href
                if urlsplit(href).scheme:
                    given["rel"] = "nofollow ugc noreferrer"
        if re.fullmatch("h[1-6]", tag):
            self._heading = (len(self.out), [])
        self.out.append(_tag(tag, given))

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """A tag without an end."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag in _VOID:
            return
        if tag == "a":
            self._in_link -= 1
        if self._heading is not None and re.fullmatch("h[1-6]", tag):
            place, text = self._heading
            self.out[place] = _tag(tag, {"id": self._name("".join(text))})
            self._heading = None
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._heading is not None:
            self._heading[1].append(data)
        self.out.append(escape(data, quote=False))

    def _image(self, given: dict[str, str]) -> None:
        source = given.pop("src", "")
        parts = _split(source)
        local = parts is not None and not parts.scheme and not parts.netloc and bool(parts.path)
        if local and parts is not None:
            sizes = {name: value for name, value in given.items() if name in ("width", "height") and value.isdigit()}
            where = _below(self._files, parts.path)
            self.out.append(_tag("img", {"src": where, "alt": given.get("alt", ""), "loading": "lazy", **sizes}))
            return
        shown = given.get("alt") or source
        if self._in_link or parts is None or parts.scheme not in ("http", "https"):
            self.out.append(escape(shown, quote=False))
            return
        self.out.append(_tag("a", {"href": source, "rel": "nofollow ugc noreferrer", "class": "remote"}))
        self.out.append(f"{escape(shown, quote=False)} ↗</a>")

    def _href(self, href: str) -> str | None:
        parts = _split(href)
        if parts is None:
            return None
        if parts.scheme:
            return href if parts.scheme in _SCHEMES else None
        if parts.netloc:  # //elsewhere
            return f"https:{href}"
        if href.startswith("#"):
            return f"#user-{quote(unquote(href[1:]))}"
        if not parts.path:
            return None
        if parts.path.startswith("/"):  # another page of this hub
            return "/" + quote(unquote(parts.path.lstrip("/\\")))
        return _below(self._pages, parts.path)

    def _name(self, text: str) -> str:
        """The name of a heading, as links in cards expect it; a prefix keeps it apart from the page's own names."""
        name = "user-" + _NOT_IN_NAMES.sub("", text.strip().lower()).replace(" ", "-")[:100]
        found, number = name, 0
        while found in self._names:
            number += 1
            found = f"{name}-{number}"
        self._names.add(found)
        return found


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text.strip())
    except ValueError:
        return None


def _below(base: str, path: str) -> str:
    """A relative address below another, which it cannot leave."""
    pieces: list[str] = []
    for piece in unquote(path).split("/"):
        if piece == "..":
            pieces = pieces[:-1]
        elif piece not in ("", "."):
            pieces.append(piece)
    return f"{base}/{quote('/'.join(pieces))}"


def _tag(name: str, attributes: dict[str, str]) -> str:
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>"
