"""Large files of one repository made usable by another, without their bytes being sent again."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enfold.hub.records import links
from enfold.hub.records.schema import Repository
from enfold.hub.server.access import ApiDownload, find
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.errors import HubError
from enfold.hub.server.permits import check_may_contribute
from enfold.hub.server.safety import check_contents
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["large files"], route_class=BoundedRoute)


class Target(BaseModel):
    """The repository that is to have the files too."""

    type: Literal["model", "dataset", "space"] = "model"
    name: str


class Copied(BaseModel):
    """A large file of the source, by its sha256."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Copies(BaseModel):
    """Which files are to be usable where."""

    target: Target
    files: list[Copied] = Field(max_length=1000)


@router.post("/api/{kind:kind}/{repo:repo}/lfs-files/duplicate", summary="Let another repository use large files")
def duplicate(body: Copies, access: ApiDownload, state: State) -> dict[str, Any]:
    """For those who may download here and write there. Files that are not here are named; the others are linked."""
    target, _ = find(state, access.principal, body.target.type, body.target.name)
    check_may_contribute(access.principal, target)
    wanted = [file.sha256 for file in body.files]
    check_contents(state, access.principal, access.repository, wanted)
    with state.records.write() as session:
        if session.get(Repository, target.id) is None:
            raise HubError(404, "the repository was deleted meanwhile", code="RepoNotFound")
        here = links.linked(session, access.repository, wanted)
        links.link(session, target, [sha256 for sha256 in wanted if sha256 in here], by_id=access.principal.account_id)
    failed = [{"sha256": each, "error": "the source has no such large file"} for each in wanted if each not in here]
    return {"success": not failed, "failed": failed}
