"""The tags in use, by group."""

from __future__ import annotations

from fastapi import APIRouter

from enfold.hub.records import Principal
from enfold.hub.records.tag_groups import tags_by_group
from enfold.hub.server.access import Caller
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.state import HubState, State

__all__ = ["router"]

router = APIRouter(tags=["tags"], route_class=BoundedRoute)

Groups = dict[str, list[dict[str, str]]]


@router.get("/api/models-tags-by-type", summary="The tags of models, by group")
def of_models(caller: Caller, state: State) -> Groups:
    """Of those that the caller may read."""
    return _groups(state, caller, "model")


@router.get("/api/datasets-tags-by-type", summary="The tags of data sets, by group")
def of_datasets(caller: Caller, state: State) -> Groups:
    """Of those that the caller may read."""
    return _groups(state, caller, "dataset")


def _groups(state: HubState, caller: Principal, type: str) -> Groups:
    with state.records.read() as session:
        found = tags_by_group(session, caller, type)
    return {
        group: [{"id": tag, "label": tag.removeprefix(f"{group}:"), "type": group} for tag in tags]
        for group, tags in found.items()
    }
