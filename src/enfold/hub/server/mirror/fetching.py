"""Branches and tags of the upstream hub, by git: objects come as they are, so their ids are the same here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dulwich.client import AbstractHttpGitClient
from dulwich.errors import GitProtocolError, NotGitRepository

from enfold.hub.server.mirror.upstream import Answer, NotGiven, Place, Unreachable, Upstream
from enfold.hub.store import GitError, IncomingPack, ObjectStore, check_ref, is_oid

__all__ = ["FOLLOWED", "Target", "fetch"]

FOLLOWED = ("refs/heads/", "refs/tags/", "refs/convert/")
"""What is fetched; pull requests stay upstream."""
_SECONDS = 60.0
_LONGEST_LIST = 64 << 20

Target = tuple[str, str]
"""The object and the commit that a ref points to."""


def fetch(
    upstream: Upstream, place: Place, store: ObjectStore, have: Iterable[str], room: Callable[[int], None]
) -> dict[str, Target]:
    """Bring what the refs of a repository lead to, and say where they point.

    Args:
        upstream: the upstream hub.
        place: the repository there.
        store: where the objects go, after they were checked.
        have: commits that are here with all behind them.
        room: called with the bytes that are about to be written.

    Raises:
        NotGiven: there is no such repository, or not for this hub.
        Unreachable: there is no answer, or not one of git.
        GitError: what came is refused.
    """
    client = _Client(upstream)
    chosen: dict[str, str] = {}

    def wanted(refs: Mapping[bytes, bytes], depth: int | None = None) -> list[bytes]:
        chosen.update(_followed(refs))
        return [oid.encode() for oid in sorted(set(chosen.values())) if not store.has(oid)]

    with IncomingPack(store) as incoming:
        came = 0

        def take(piece: bytes) -> int:
            nonlocal came
            room(len(piece))
            incoming.write(piece)
            came += len(piece)
            return len(piece)

        try:
            client.fetch_pack(place.web, wanted, _Have(have), take)  # type: ignore[arg-type]
        except (GitProtocolError, NotGitRepository, AssertionError, KeyError, ValueError) as error:
            if isinstance(error, GitError):
                raise
            raise Unreachable(f"{upstream.url} does not speak git as it should: {error!s:.200}") from error
        if came:
            incoming.finish()
    return {name: target for name, oid in chosen.items() if (target := _target(store, name, oid)) is not None}


def _followed(refs: Mapping[bytes, bytes]) -> Iterator[tuple[str, str]]:
    for raw, oid in refs.items():
        name = raw.decode("utf-8", "surrogateescape")
        if not name.startswith(FOLLOWED) or not is_oid(oid.decode("ascii", "replace")):
            continue
        try:
            yield check_ref(name), oid.decode()
        except GitError:
            continue


def _target(store: ObjectStore, name: str, oid: str) -> Target | None:
    """Where a ref points; None for what is no branch or tag of a commit."""
    try:
        commit = store.peel(oid)
    except GitError:
        return None
    return None if commit != oid and not name.startswith("refs/tags/") else (oid, commit)


class _Have:
    """The commits that are here, as the client asks for them: each leads to all that is behind it."""

    def __init__(self, commits: Iterable[str]) -> None:
        self._commits = iter(sorted(set(commits)))
        self.shallow: set[bytes] = set()

    def next(self) -> bytes | None:
        found = next(self._commits, None)
        return None if found is None else found.encode()

    def __next__(self) -> bytes | None:
        return self.next()

    def ack(self, oid: bytes) -> None:
        """It is there too, which changes nothing."""

    def nak(self) -> None:
        """None was there."""


class _Client(AbstractHttpGitClient):
    """dulwich's client over the connection that checks addresses and keeps the token."""

    def __init__(self, upstream: Upstream) -> None:
        super().__init__(upstream.url, quiet=True)
        self._upstream = upstream

    def _http_request(  # type: ignore[override]
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,
    ) -> tuple[Any, Callable[[int], bytes]]:
        if not url.startswith(self._upstream.url + "/"):
            raise Unreachable(f"{self._upstream.url} leads git elsewhere")
        body = data if data is None or isinstance(data, bytes) else b"".join(data)
        path = url.removeprefix(self._upstream.url)
        method = "GET" if body is None else "POST"
        answer = self._upstream.send(method, path, headers, body, by_git=True, seconds=_SECONDS)
        try:
            if answer.status in (401, 403, 404):
                raise NotGiven(f"{self._upstream.url} answers git with status {answer.status}")
            if answer.status != 200 or not answer.content_type.startswith("application/x-git-"):
                raise Unreachable(f"{self._upstream.url} answers git with status {answer.status}, and not as git does")
        except BaseException:
            answer.close()
            raise
        return answer, answer.read if body is not None else _bounded(answer)


def _bounded(answer: Answer) -> Callable[[int], bytes]:
    """Reads a list of refs of sane length."""
    left = _LONGEST_LIST

    def read(amount: int) -> bytes:
        nonlocal left
        left -= amount
        if left < 0:
            raise Unreachable("the list of refs of the upstream hub is too long")
        return answer.read(amount)

    return read
