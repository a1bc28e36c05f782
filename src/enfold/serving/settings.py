"""The settings of a server, checked as a whole."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from enfold.errors import SettingsError

__all__ = ["ServingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingSettings:
    """Where a server listens, whom it answers and how much it takes on.

    Raises:
        SettingsError: settings are wrong or contradict each other; all of them are listed.
    """

    host: str = "127.0.0.1"
    """Address to listen on. Any but loopback needs an API key."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    api_key: str | None = None
    """Key that requests must carry, as ``Authorization: Bearer KEY``; ``/health`` needs none."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names beside the loopback ones that a request may name, for a server behind a proxy."""
    max_body_bytes: int = 2_000_000
    """Largest request body."""
    max_text_characters: int = 200_000
    """Longest text."""
    max_texts: int = 256
    """Most texts, or judgements, in one request."""
    max_queue: int = 512
    """Texts that may be in the queue; more are answered 503 with Retry-After."""
    max_queue_characters: int = 2_000_000
    """Characters that may be in the queue; a request that has more is taken when nothing else waits."""
    max_batch_tokens: int = 2048
    """Tokens the model runs at once."""
    poll_seconds: float = 1.0
    """How often the source is asked whether another model is in service."""
    drain_seconds: float = 30.0
    """How long a server that was told to stop goes on answering what it has accepted."""

    def __post_init__(self) -> None:
        faults = [
            f"{name}={getattr(self, name)} must be at least {least}"
            for name, least in _LEAST.items()
            if getattr(self, name) < least
        ]
        if not 0 <= self.port <= 65_535:
            faults.append(f"port={self.port} must lie between 0 and 65535")
        if self.max_queue < self.max_texts:
            faults.append(f"max_queue={self.max_queue} must be at least max_texts={self.max_texts}")
        if self.api_key is not None and not (self.api_key and self.api_key.isascii() and self.api_key.isprintable()):
            faults.append("api_key must be printable ASCII, at least one character")
        if self.api_key is None and not self.on_loopback:
            faults.append(
                f"host={self.host!r} can be reached from other machines, so it needs an api_key; or listen on 127.0.0.1"
            )
        if faults:
            raise SettingsError("; ".join(faults))

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


_LEAST = {
    "max_body_bytes": 1,
    "max_text_characters": 1,
    "max_texts": 1,
    "max_queue": 1,
    "max_queue_characters": 1,
    "max_batch_tokens": 1,
    "poll_seconds": 0.01,
    "drain_seconds": 0,
}
