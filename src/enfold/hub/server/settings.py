"""The settings of a hub's server, checked as a whole."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from enfold.errors import SettingsError, near

__all__ = ["HubSettings"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """Where a hub keeps things, where it listens, and how much it takes on.

    Raises:
        SettingsError: settings are wrong or contradict each other; all of them are listed.
    """

    root: Path
    """Folder of the hub."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port to listen on; 0 takes a free one."""
    database: str | None = None
    """Address of another database than the SQLite file in the root."""
    blobs: str | None = None
    """Address of an object store (``s3://…``) for large content, instead of the root's own folder."""
    public_url: str | None = None
    """The address users know the hub by; without it, answers use the one that a request names."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of proxies whose X-Forwarded headers are believed."""
    allow_webhooks: tuple[str, ...] = ()
    """Networks (CIDR) that webhooks may reach, and files of the upstream hub lie in, although they are not public."""
    upstream: str | None = None
    """The address of a hub to mirror: what is asked for and not here is fetched from there."""
    upstream_token_file: Path | None = None
    """A file with the token this hub signs in with there."""
    upstream_seconds: float = 60.0
    """How long what came from the upstream hub counts as new."""
    unsafe_files: str = "warn"
    """What becomes of files with code in them: ``warn``, ``quarantine`` or ``refuse``; see `server.safety`."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    requests_per_minute: int = 6000
    """Requests a minute of one token, or of one address without a token; more are answered 429."""
    max_json_bytes: int = 2_000_000
    """Largest body of a request that is JSON or a form."""
    max_regular_bytes: int = 10_000_000
    """Largest file that is kept in git itself."""
    max_file_bytes: int = 2**42
    """Largest file."""
    max_single_bytes: int = 5_000_000_000
    """Largest file that is sent in one request to clients that can send it in parts."""
    xet_token_seconds: int = 3600
    """How long a token to send or fetch pieces of large files is good; a clean-up waits as long."""
    reserve_bytes: int = 1_000_000_000
    """Bytes of the disk that uploads never use; before that, they are refused (507)."""
    housekeeping_seconds: float = 3600.0
    """How often what was left behind is looked for."""
    drain_seconds: float = 30.0
    """How long a server that was told to stop goes on answering what it has accepted."""

    def __post_init__(self) -> None:
        faults = [
            f"{name}={getattr(self, name)} must be at least {least}"
            for name, least in _LEAST.items()
            if getattr(self, name) < least
        ]
        if self.unsafe_files not in _UNSAFE_FILES:
            ways = ", ".join(_UNSAFE_FILES)
            faults.append(
                f"unsafe_files={self.unsafe_files!r} must be one of {ways}{near(self.unsafe_files, _UNSAFE_FILES)}"
            )
        if not 0 <= self.port <= 65_535:
            faults.append(f"port={self.port} must lie between 0 and 65535")
        if self.public_url is not None:
            parts = urlsplit(self.public_url)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
                faults.append(f"public_url={self.public_url!r} must look like https://hub.example.org")
        if self.upstream is not None:
            parts = urlsplit(self.upstream)
            plain = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
            if not plain or parts.query or parts.fragment:
                faults.append("upstream must look like https://hub.example.org, without a user or a password in it")
        if self.upstream_token_file is not None:
            faults.extend(self._token_faults(self.upstream_token_file))
        if (self.tls_certificate is None) != (self.tls_key is None):
            faults.append("tls_certificate and tls_key are needed together")
        for name in ("tls_certificate", "tls_key"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                faults.append(f"{name}={path} is no file")
        for name in ("trusted_proxies", "allow_webhooks"):
            for text in getattr(self, name):
                try:
                    ipaddress.ip_network(text)
                except ValueError as error:
                    faults.append(f"{name}: {text!r} is no network in CIDR form: {error}")
        if faults:
            raise SettingsError("; ".join(faults))

    def _token_faults(self, file: Path) -> Iterator[str]:
        if self.upstream is None:
            yield "upstream_token_file is of use with an upstream only"
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            yield f"upstream_token_file={file} cannot be read"
            return
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            yield f"upstream_token_file={file} holds no token"

    @property
    def upstream_token(self) -> str | None:
        """The token for the upstream hub."""
        file = self.upstream_token_file
        return None if file is None else file.read_text(encoding="utf-8").strip()

    @property
    def networks(self) -> tuple[Network, ...]:
        """The trusted proxies as networks."""
        return tuple(ipaddress.ip_network(text) for text in self.trusted_proxies)

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """What webhooks may reach beside public addresses, as networks."""
        return tuple(ipaddress.ip_network(text) for text in self.allow_webhooks)

    @property
    def exposed(self) -> bool:
        """Whether passwords and tokens may cross a network in the clear: no loopback, no TLS, no proxy."""
        try:
            loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = self.host == "localhost"
        return not loopback and self.tls_certificate is None and not self.trusted_proxies


_UNSAFE_FILES = ("warn", "quarantine", "refuse")
_LEAST = {
    "requests_per_minute": 1,
    "max_json_bytes": 1000,
    "max_regular_bytes": 1000,
    "max_file_bytes": 1000,
    "max_single_bytes": 1000,
    "xet_token_seconds": 1,
    "reserve_bytes": 0,
    "drain_seconds": 0,
    "upstream_seconds": 0,
    "housekeeping_seconds": 0.1,
}
