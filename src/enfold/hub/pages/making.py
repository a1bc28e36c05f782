"""Making repositories and organisations, and the settings of both."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from enfold.hub.pages.browsing import open_repository
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Page, PageRoute, SignedInHere, told
from enfold.hub.records import accounts, audit, may_create
from enfold.hub.records.names import split_id
from enfold.hub.records.principals import Role
from enfold.hub.records.repositories import REPOSITORY_TYPES
from enfold.hub.records.schema import Account, Membership
from enfold.hub.server.access import Access
from enfold.hub.server.errors import HubError, forbidden
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.routes import repositories
from enfold.hub.store import DEFAULT_ATTRIBUTES

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LICENSES = ("", "apache-2.0", "mit", "bsd-3-clause", "gpl-3.0", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "other")
_SDKS = ("static", "docker", "gradio", "streamlit")
_ROLES: tuple[Role, ...] = ("read", "contributor", "write", "admin")


@router.get("/new")
def new_page(page: SignedInHere, type: str = "model") -> Response:
    """The form for a new repository."""
    return _new(page, {"type": type, "owner": page.principal.name, "name": "", "license": "", "private": ""}, None)


@router.post("/new")
def new(page: SignedInHere, form: Form) -> Response:
    """Make a repository."""
    given = {name: text(form, name, longest=200) for name in ("type", "owner", "name", "license", "private", "sdk")}
    kind = given["type"]
    try:
        if kind not in REPOSITORY_TYPES:
            raise HubError(422, "Choose what the repository is to hold.")
        files = {".gitattributes": DEFAULT_ATTRIBUTES}
        if given["license"] in _LICENSES[1:]:
            files["README.md"] = f"---\nlicense: {given['license']}\n---\n".encode()
        made = repositories.make_repository(
            page.state,
            page.principal,
            kind,  # type: ignore[arg-type]
            f"{given['owner']}/{given['name']}",
            files,
            private=given["private"] == "yes",
            sdk=(given["sdk"] if given["sdk"] in _SDKS else "static") if kind == "space" else None,
        )
    except REFUSALS as fault:
        return _new(page, given, told(fault))
    return page.go("/" + RepositoryAddress(made.type, made.full_name).place)  # type: ignore[arg-type]


@router.get("/{place:place}/settings")
def repository_page(page: SignedInHere, place: str) -> Response:
    """The settings of a repository."""
    return _repository(page, place, None)


@router.post("/{place:place}/settings")
def change_repository(page: SignedInHere, form: Form, place: str) -> Response:
    """Change settings, rename or delete: what the field ``do`` says."""
    opened = open_repository(page, place, "admin")
    repository, principal, state = opened.repository, page.principal, page.state
    what = text(form, "do")
    try:
        if what == "change":
            body = repositories.Settings(
                private=text(form, "private") == "yes",
                gated=text(form, "gated") or False,  # type: ignore[arg-type]
                description=text(form, "description", longest=2000) or None,
                discussionsDisabled=text(form, "discussions") != "yes",
            )
            repositories.change(body, Access(repository, principal), state)
            return page.go(f"/{opened.place}/settings", said="saved")
        if what == "rename":
            target = text(form, "name", longest=200)
            move = repositories.Move(from_repo=repository.full_name, to_repo=target, type=repository.type)  # type: ignore[arg-type]
            repositories.move(page.request, move, principal, state)
            moved = RepositoryAddress(repository.type, target).place  # type: ignore[arg-type]
            return page.go(f"/{moved}/settings", said="saved")
        if what == "delete":
            if text(form, "name", longest=200) != repository.full_name:
                raise HubError(422, "To delete the repository, write its whole name.")
            owner, name = split_id(repository.full_name)
            old = repositories.OldRepository(name=name, organization=owner, type=repository.type)  # type: ignore[arg-type]
            if owner is None:
                raise HubError(422, "A repository without namespace is deleted by the API alone.")
            repositories.delete(old, principal, state)
            return page.go(f"/{owner}", said="deleted")
    except (*REFUSALS, ValidationError) as fault:
        return _repository(page, place, told(fault))
    raise HubError(422, "The form does not say what to do.")


@router.get("/organizations/new")
def new_organization_page(page: SignedInHere) -> Response:
    """The form for a new organisation."""
    return page.render("new_organization.html.j2", name="", full_name="", fault=None)


@router.post("/organizations/new")
def new_organization(page: SignedInHere, form: Form) -> Response:
    """Make an organisation; who makes it is its first admin."""
    name, full_name = text(form, "name"), text(form, "full_name", longest=100)
    try:
        with page.state.records.write() as session:
            me = session.get_one(Account, page.principal.account_id)
            made = accounts.create_organization(
                session,
                name,
                full_name=full_name or None,
                members=[(me, "admin")],
                taken_by_routes=page.state.taken_by_routes,
            )
            audit.note(session, page.principal, "org.add", made.name)
    except REFUSALS as fault:
        return page.render("new_organization.html.j2", status=422, name=name, full_name=full_name, fault=str(fault))
    return page.go(f"/organizations/{made.name}", said="made")


@router.get("/organizations/{name:piece}")
def organization_page(page: SignedInHere, name: str) -> Response:
    """The members of an organisation and their roles."""
    return _organization(page, name, None)


@router.post("/organizations/{name:piece}")
def change_organization(page: SignedInHere, form: Form, name: str) -> Response:
    """Add a member, change a role, let one go, or change the full name: what the field ``do`` says."""
    what = text(form, "do")
    try:
        with page.state.records.write() as session:
            organization = accounts.account(session, name, "org")
            _check_admin(page, organization)
            if what == "name":
                organization.full_name = text(form, "full_name", longest=100) or organization.name
            elif what in ("role", "remove"):
                member = accounts.user(session, text(form, "user", longest=100))
                role = text(form, "role")
                if what == "role":
                    accounts.add_member(session, organization, member, role)  # type: ignore[arg-type]
                else:
                    found = session.get(Membership, (organization.id, member.id))
                    if found is not None:
                        session.delete(found)
                session.flush()
                if not any(role == "admin" for _, role in accounts.members_of(session, organization.id)):
                    raise HubError(422, "An organisation needs at least one admin.")
            else:
                raise HubError(422, "The form does not say what to do.")
            audit.note(session, page.principal, f"org.{what}", organization.name, user=text(form, "user"))
    except REFUSALS as fault:
        return _organization(page, name, told(fault))
    return page.go(f"/organizations/{name}", said="saved")


def _new(page: Page, given: dict[str, str], fault: str | None) -> Response:
    with page.state.records.read() as session:
        found = accounts.organizations_of(session, page.principal.account_id or 0)
    owners = [page.principal.name, *(each.name for each, _ in found if may_create(page.principal, each.id))]
    status = 200 if fault is None else 422
    return page.render(
        "new.html.j2", status=status, given=given, owners=owners, licenses=_LICENSES, sdks=_SDKS, fault=fault
    )


def _repository(page: Page, place: str, fault: str | None) -> Response:
    opened = open_repository(page, place, "admin")
    status = 200 if fault is None else 422
    return page.render("repository_settings.html.j2", status=status, opened=opened, tab="settings", fault=fault)


def _organization(page: Page, name: str, fault: str | None) -> Response:
    with page.state.records.read() as session:
        organization = accounts.account(session, name, "org")
        _check_admin(page, organization)
        members = accounts.members_of(session, organization.id)
    status = 200 if fault is None else 422
    return page.render(
        "organization.html.j2", status=status, organization=organization, members=members, roles=_ROLES, fault=fault
    )


def _check_admin(page: Page, organization: Account) -> None:
    if not page.principal.is_admin and page.principal.roles.get(organization.id) != "admin":
        raise forbidden("Only admins of the organisation may change it.")
