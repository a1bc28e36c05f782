"""The upstream hub: what it says of a repository, and the bytes of its large files.

The token goes to the host of the upstream hub alone. Its own address may be any, because an admin named it; what it
leads to elsewhere, where large files often lie, is checked like every address that is not the hub's own.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from enfold import __version__
from enfold.errors import InputError, ServiceError
from enfold.hub.records.names import check_repository_name, split_id
from enfold.hub.server.outside import Exchange, NotAllowed, destination

if TYPE_CHECKING:
    from enfold.hub.server.settings import Network

__all__ = ["Answer", "Described", "NotGiven", "Place", "Renamed", "Unreachable", "Upstream"]

_ANYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_LFS = "application/vnd.git-lfs+json"
_MOST_REDIRECTS = 5
_LONGEST_JSON = 4_000_000
_PATIENCE = 8.0  # a client gives a hub ten seconds
_LONG_PATIENCE = 60.0


class Unreachable(ServiceError):
    """The upstream hub does not answer, or not as a hub."""


class NotGiven(ServiceError):
    """The upstream hub has no such thing, or not for this hub."""


class Renamed(ServiceError):
    """The upstream hub has the repository under another name.

    Args:
        full_name: which one.
    """

    def __init__(self, full_name: str) -> None:
        super().__init__(f"it was renamed to {full_name}")
        self.full_name = full_name


@dataclass(frozen=True, slots=True)
class Place:
    """A repository of the upstream hub."""

    type: str
    full_name: str

    @property
    def api(self) -> str:
        """Its path in the API."""
        return f"/api/{self.type}s/{quote(self.full_name)}"

    @property
    def web(self) -> str:
        """Its path for git."""
        return f"/{quote(self.full_name)}" if self.type == "model" else f"/{self.type}s/{quote(self.full_name)}"


@dataclass(frozen=True, slots=True)
class Described:
    """What the upstream hub says of a repository."""

    private: bool
    gated: bool
    sdk: str | None


class Answer:
    """An answer that is read piece by piece."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name
        self.status = exchange.answer.status
        self.redirect_location = ""  # no redirect is followed where this matters

    def header(self, name: str) -> str:
        """A header, or nothing."""
        return self._exchange.answer.headers.get(name, "")

    @property
    def content_type(self) -> str:
        """What it says it is."""
        return self.header("content-type")

    def read(self, amount: int) -> bytes:
        """The next bytes, fewer only at the end.

        Raises:
            Unreachable: the connection broke.
        """
        try:
            return self._exchange.answer.read(amount)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(self._name, error) from error

    def close(self) -> None:
        """End it."""
        self._exchange.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Upstream:
    """The upstream hub.

    Args:
        url: its address.
        token: what this hub signs in with there.
        allowed: networks beside public ones where its large files may lie.
    """

    def __init__(self, url: str, token: str | None, allowed: Sequence[Network]) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._allowed = allowed

    def describe(self, place: Place) -> Described:
        """What there is to know of a repository before it is fetched.

        Raises:
            NotGiven: it is not there, or not for this hub.
            Renamed: it has another name.
            Unreachable: there is no answer.
        """
        wanted = ("private", "sdk") if place.type == "space" else ("private", "gated")
        query = "&".join(f"expand={each}" for each in wanted)
        with self.send("GET", f"{place.api}?{query}") as answer:
            if 300 <= answer.status < 400:
                raise self._renamed(place, answer.header("location"))
            if answer.status != 200:
                raise self._refusal(answer)
            said = self._json(answer)
        sdk = said.get("sdk")
        return Described(
            private=said.get("private") is not False,
            gated=said.get("gated") not in (False, None),
            sdk=sdk if isinstance(sdk, str) else None,
        )

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        by_git: bool = False,
        seconds: float = _PATIENCE,
    ) -> Answer:
        """Ask the upstream hub itself, with the token; no redirect is followed.

        Hubs take the token from git, and git-lfs, as a password.

        Raises:
            Unreachable: there is no answer.
        """
        sent = dict(headers or {})
        if self._token is not None:
            password = b64encode(f"mirror:{self._token}".encode()).decode()
            sent["Authorization"] = f"Basic {password}" if by_git else f"Bearer {self._token}"
        return self._begin(method, self.url + path, sent, body, seconds)

    def large_file(self, place: Place, sha256: str, size: int, *, start: int = 0) -> Answer:
        """The bytes of a large file, from ``start`` on if the answer's status is 206, else from the beginning.

        Raises:
            NotGiven: the repository has no such file, or not for this hub.
            Unreachable: there is no answer.
        """
        asked = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": sha256, "size": size}]}
        headers = {"Accept": _LFS, "Content-Type": _LFS}
        body = json.dumps(asked).encode()
        with self.send("POST", f"{place.web}.git/info/lfs/objects/batch", headers, body, by_git=True) as answer:
            if answer.status != 200:
                raise self._refusal(answer)
            url, headers = self._action(self._json(answer), sha256)
        if start:
            headers["Range"] = f"bytes={start}-"
        for _ in range(_MOST_REDIRECTS):
            found = self._begin("GET", url, headers, None, _LONG_PATIENCE)
            if found.status in (200, 206):
                return found
            with found:
                location = found.header("location")
                if found.status not in (301, 302, 303, 307, 308) or not location:
                    raise self._refusal(found)
            before, url = url, urljoin(url, location)
            if _origin(before) != _origin(url):  # what one host needs to know is not for another
                headers = {name: value for name, value in headers.items() if name == "Range"}
        raise Unreachable(f"{self.url} leads from address to address for {sha256}")

    def _action(self, said: Any, sha256: str) -> tuple[str, dict[str, str]]:
        try:
            (found,) = said["objects"]
            if "error" in found:
                raise NotGiven(f"{self.url} has no large file {sha256} here: {found['error'].get('message')!s:.200}")
            action = found["actions"]["download"]
            headers = {str(name): str(value) for name, value in action.get("header", {}).items()}
            return urljoin(self.url + "/", str(action["href"])), headers
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unreachable(f"{self.url} does not answer as a hub does when it is asked for large files") from None

    def _begin(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float) -> Answer:
        own = _origin(url) == _origin(self.url)
        sent = {**headers, "User-Agent": f"enfold/{__version__}", "Accept-Encoding": "identity"}
        try:
            to = destination(url, _ANYWHERE if own else self._allowed)
            return Answer(Exchange(to, method, sent, body, seconds=seconds), self.url)
        except NotAllowed as error:
            raise Unreachable(f"{self.url} leads to an address that is not asked: {error}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(self.url, error) from error

    def _json(self, answer: Answer) -> Any:
        data = answer.read(_LONGEST_JSON + 1)
        try:
            if len(data) > _LONGEST_JSON:
                raise ValueError
            said = json.loads(data)
            if not isinstance(said, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise Unreachable(f"what answers at {self.url} is no hub: its answer is not the JSON of one") from None
        return said

    def _refusal(self, answer: Answer) -> ServiceError:
        code = answer.header("x-error-code")
        words = f"{self.url} answers with status {answer.status}"
        if answer.status in (404, 410) or (answer.status in (401, 403) and code in ("RepoNotFound", "GatedRepo")):
            return NotGiven(words)
        return Unreachable(words)

    def _renamed(self, place: Place, location: str) -> ServiceError:
        leads_to = urljoin(self.url + place.api, location)
        start = f"{self.url}/api/{place.type}s/"
        full_name = unquote(leads_to.removeprefix(start).partition("?")[0])
        try:
            namespace, name = split_id(full_name)
            if not leads_to.startswith(start) or "/" in (namespace or "") or full_name == place.full_name:
                raise InputError(leads_to)
            check_repository_name(name)
        except InputError:
            return Unreachable(f"{self.url} leads elsewhere instead of answering")
        return Renamed(full_name)


def _unreachable(name: str, error: BaseException) -> Unreachable:
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    plain = "".join(each if each.isprintable() else " " for each in why)
    return Unreachable(f"{name} cannot be reached ({plain[:200].lower()})")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
