"""Requests to a Hub that change something: one address, one token, and its refusals as one clear line.

The token goes to that address alone. No redirect is followed, so it cannot be carried elsewhere by one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from enfold import __version__
from enfold.errors import SettingsError, SourceError
from enfold.hub.cache import is_offline

__all__ = ["HubAddress", "Refused", "endpoint", "token"]

_SECONDS = 60


class Refused(SourceError):
    """The Hub answered, and said no.

    Args:
        status: of the answer.
        message: what it said, or what it means.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


def endpoint(url: str | None = None) -> str:
    """The address of the Hub: ``url``, else ``HF_ENDPOINT``, else huggingface.co.

    Raises:
        SettingsError: it is no address of the web.
    """
    given = url or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise SettingsError("the address of a hub is http:// or https:// and a host, without a user name or password")
    return given.rstrip("/")


def token() -> str | None:
    """The token of ``HF_TOKEN``, else the one that ``hf auth login`` kept."""
    given = os.environ.get("HF_TOKEN", "").strip()
    if given:
        return given
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    file = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    return (file.read_text(encoding="utf-8").strip() or None) if file.is_file() else None


class HubAddress:
    """One Hub, spoken to with the user's token.

    Args:
        url: its address; that of the environment unless given.

    Raises:
        SourceError: there is no token, or this is offline mode.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = endpoint(url)
        if is_offline():
            raise SourceError(f"{self.url} is not asked in offline mode: unset ENFOLD_OFFLINE and HF_HUB_OFFLINE")
        found = token()
        if found is None:
            raise SourceError(f"no token for {self.url}: set HF_TOKEN to one that may write")
        if not found.isascii() or not found.isprintable() or " " in found:
            raise SourceError("HF_TOKEN is no token: it holds spaces or characters that none has")
        self._token = found
        self._opener = build_opener(_NoRedirect)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send JSON to a path of the Hub, and read its answer as JSON.

        Raises:
            Refused: the answer is not a success.
            SourceError: the Hub cannot be reached, or what answers is none.
        """
        data = None if body is None else json.dumps(body).encode()
        return _parsed(self.send(method, path, data, {"Content-Type": "application/json"})[0], self.url)

    def send(
        self, method: str, path: str, data: bytes | IO[bytes] | None, headers: Mapping[str, str]
    ) -> tuple[bytes, Mapping[str, str]]:
        """Send bytes to a path of the Hub, or to a whole address that it gave.

        Such an address of another host gets no token. See `ask` for what is raised.
        """
        url = path if "://" in path else self.url + path
        sent = {"User-Agent": f"enfold/{__version__}", **headers}
        if _origin(url) == _origin(self.url):
            sent["Authorization"] = f"Bearer {self._token}"
        return self._answer(Request(url, data=data, method=method, headers=sent))

    def put(self, url: str, data: IO[bytes], size: int) -> Mapping[str, str]:
        """Send a large file to a signed address, which needs no token and gets none; the answer's headers."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        return self._answer(Request(url, data=data, method="PUT", headers=headers))[1]

    def _answer(self, request: Request) -> tuple[bytes, Mapping[str, str]]:
        if urlsplit(request.full_url).scheme not in ("http", "https"):
            raise SourceError(f"{self.url} gave an address that is not one of the web")
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return answer.read(), answer.headers
        except HTTPError as error:
            raise _refusal(error) from None
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            why = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
            raise SourceError(
                f"{self.url} cannot be reached ({_line(why).lower()}): check the network and HF_ENDPOINT"
            ) from error


def _refusal(error: HTTPError) -> Refused:
    with error:
        if 300 <= error.code < 400:
            return Refused(error.code, "the answer leads elsewhere; if the repository was renamed, use its new name")
        said = error.headers.get("X-Error-Message")
        try:
            content = json.loads(error.read(100_000))
            said = said or content.get("error") or content.get("message")
        except (ValueError, AttributeError, OSError, HTTPException):
            pass
    return Refused(error.code, _line(str(said or f"status {error.code}")))


def _line(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(plain.split())[:300]


def _parsed(data: bytes, url: str) -> Any:
    try:
        return json.loads(data) if data else {}
    except ValueError:
        raise SourceError(f"what answers at {url} is no hub: its answer is not JSON; check HF_ENDPOINT") from None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
