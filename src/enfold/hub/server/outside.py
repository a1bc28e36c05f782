"""Requests that the hub makes to addresses of others, without being led into the hub's own network.

A name is looked up once. Every address it has must be a public one, or lie in a network the admin allowed; the
connection is made to one of these very addresses, so that a second look-up cannot give another. Redirects are not
followed, proxies of the environment not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from enfold.errors import InputError

if TYPE_CHECKING:
    from enfold.hub.server.settings import Network

__all__ = ["Destination", "Exchange", "NotAllowed", "check_address", "check_literal", "destination", "post"]

_PLAIN = re.compile(r"[\x21-\x7e\x80-\U0010ffff]{1,2000}")
_SAFE = "/%:@!$&'()*+,;=~-._?"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_WAY_OUT = "; an admin of the hub can allow its network with --allow-webhook"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(InputError):
    """An address that the hub does not send to; the message says why."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes: the host it names, and the address that was checked."""

    host: str
    port: int
    address: str
    is_tls: bool
    target: str


def check_address(url: str) -> tuple[str, int, bool, str]:
    """The host, the port, whether TLS is spoken, and the path of an http(s) URL, without looking anything up.

    Raises:
        NotAllowed: it is of another kind, or holds a password.
    """
    if not _PLAIN.fullmatch(url):
        raise NotAllowed("the address is empty, too long, or has blanks or control characters in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NotAllowed(f"the address cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise NotAllowed("the address must look like https://host/path")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("an address with a user or a password in it is not taken; use the secret of the webhook")
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        raise NotAllowed(f"{host!r} is no name of a host") from None
    is_tls = parts.scheme == "https"
    return name, port or (443 if is_tls else 80), is_tls, target


def destination(url: str, allowed: Sequence[Network] = ()) -> Destination:
    """Look up where a URL leads and check every address it may mean.

    Args:
        url: http or https.
        allowed: networks that may be reached although they are not public.

    Raises:
        NotAllowed: an address is not public, or the URL is not one to send to.
        OSError: the name is not known.
    """
    host, port, is_tls, target = check_address(url)
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not _may_reach(address, allowed):
            raise NotAllowed(f"{host} leads to {address}, which is not a public address{_WAY_OUT}")
    if not found:
        raise OSError(f"{host} has no address")
    return Destination(host, port, found[0], is_tls, target)


def check_literal(url: str, allowed: Sequence[Network] = ()) -> None:
    """Refuse a URL whose host is written as an address that may not be reached, before anything is looked up.

    Raises:
        NotAllowed: it is.
    """
    host, _, _, _ = check_address(url)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not _may_reach(host, allowed):
        raise NotAllowed(f"{host} is not a public address{_WAY_OUT}")


def post(to: Destination, body: bytes, headers: Mapping[str, str], *, seconds: float = 15.0) -> int:
    """Send a body to a destination; the status of the answer, whose body is not read.

    Args:
        to: where to, as it was checked.
        body: what to send.
        headers: more headers.
        seconds: how long everything together may take.

    Raises:
        OSError: there was no answer in time.
        http.client.HTTPException: the answer is no HTTP.
    """
    connection = _Connection(to, seconds)
    deadline = threading.Timer(seconds, connection.give_up)
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", to.target, body=body, headers=dict(headers))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        if not connection.given_up:
            raise
    finally:
        deadline.cancel()
        connection.close()
    if connection.given_up:  # an answer that was cut off by the deadline may look like a whole one
        raise TimeoutError(f"{to.host} did not answer within {seconds:g} s")
    return status


class Exchange:
    """A request to a destination whose answer is read piece by piece.

    Args:
        to: where to, as it was checked.
        method: of the request.
        headers: of the request.
        body: of the request.
        seconds: how long each wait for the other side may take; the whole has no deadline.

    Raises:
        OSError: there was no answer in time.
        http.client.HTTPException: the answer is no HTTP.
    """

    def __init__(
        self, to: Destination, method: str, headers: Mapping[str, str], body: bytes | None = None, *, seconds: float
    ) -> None:
        self._connection = _Connection(to, seconds)
        try:
            self._connection.request(method, to.target, body=body, headers=dict(headers))
            self.answer = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """End it; what was not read is not asked for any more."""
        self.answer.close()
        self._connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name means by now."""

    def __init__(self, to: Destination, seconds: float) -> None:
        super().__init__(to.host, to.port, timeout=seconds)
        self._to = to
        self.given_up = False
        if to.is_tls:
            self.default_port = 443

    def connect(self) -> None:
        """Connect, and speak TLS with the host that the URL names."""
        self.sock = plain = socket.create_connection((self._to.address, self._to.port), timeout=self.timeout)
        if self.given_up:
            raise TimeoutError
        if self._to.is_tls:
            try:
                self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self._to.host)
            except BaseException:
                plain.close()
                raise

    def give_up(self) -> None:
        """End the connection from another thread, in whatever it is waiting for."""
        self.given_up = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def _may_reach(text: str, allowed: Sequence[Network]) -> bool:
    address: _Address = ipaddress.ip_address(text.partition("%")[0])
    meant = _embedded(address)
    return all(
        any(each in network for network in allowed)
        or (each.is_global and not each.is_multicast and not each.is_reserved and not each.is_unspecified)
        for each in meant
    )


def _embedded(address: _Address) -> list[_Address]:
    """The addresses that one stands for: IPv6 has several ways of holding an IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    return [address]
