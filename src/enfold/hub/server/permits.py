"""From a ticket that came with a request to what it allows now: the repository, and the caller it was given to."""

from __future__ import annotations

from enfold.hub.records import Principal
from enfold.hub.records.permissions import Action, may
from enfold.hub.records.schema import Repository
from enfold.hub.records.standing import principal_now
from enfold.hub.records.tokens import TokenFault
from enfold.hub.server.access import Access, check
from enfold.hub.server.errors import HubError
from enfold.hub.server.signing import BadTicket, Permit, XetPermit
from enfold.hub.server.state import HubState

__all__ = ["check_may_contribute", "may_contribute", "opened_address", "opened_xet_token", "standing"]


def opened_address(state: HubState, ticket: str, *, method: str, subject: str) -> tuple[Permit, Access]:
    """What a signed address allows.

    Raises:
        HubError: nothing: it was not signed here, or for something else, has expired, or what it was given for is not
            allowed any more (403).
    """
    try:
        permit = state.signer.opened_address(ticket, method=method, subject=subject)
    except BadTicket as error:
        raise HubError(403, f"Forbidden: {error}") from None
    access = standing(state, permit)
    if method == "GET":
        check(access.principal, "download", access.repository)
    else:
        check_may_contribute(access.principal, access.repository)
    return permit, access


def opened_xet_token(state: HubState, authorization: str | None, place: str) -> tuple[XetPermit, Access]:
    """What a Xet token allows.

    Raises:
        HubError: nothing (401), or not any more (403).
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise HubError(401, "a Xet token is needed; ask the repository for one")
    if not place.startswith(f"{state.root.store}-"):
        raise HubError(401, "this is another store now; ask the repository for a new token")
    try:
        permit = state.signer.opened_xet_token(token.strip(), place=place)
    except BadTicket as error:
        raise HubError(401, str(error)) from None
    access = standing(state, permit)
    if permit.action == "discuss":
        check_may_contribute(access.principal, access.repository)
    else:
        action: Action = "write" if permit.action == "write" else "download"
        check(access.principal, action, access.repository)
    return permit, access


def may_contribute(principal: Principal, repository: Repository) -> bool:
    """Whether large files may be sent: by those who write, and by those who may open a pull request."""
    if repository.discussions_disabled or repository.mirrored:
        return may(principal, "write", repository)
    return may(principal, "discuss", repository)


def check_may_contribute(principal: Principal, repository: Repository) -> None:
    """Refuse large files of a caller who may neither write nor open a pull request."""
    if not may_contribute(principal, repository) or repository.disabled:
        check(principal, "write", repository)


def standing(state: HubState, permit: Permit | XetPermit) -> Access:
    """The repository and the caller that a ticket names, as they are now.

    Raises:
        HubError: one of them is gone, or the token was revoked (403).
    """
    with state.records.read() as session:
        repository = session.get(Repository, permit.repository)
        try:
            principal = principal_now(session, permit.user, permit.token)
        except TokenFault as error:
            raise HubError(403, f"Forbidden: {error}") from None
    if repository is None or not may(principal, "read", repository):
        raise HubError(403, "Forbidden: the repository that this was signed for is gone")
    return Access(repository, principal)
