"""Who may do what, as a table: every kind of caller, on every kind of repository."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from enfold.hub.records import ANONYMOUS, Grant, Principal, Records, accounts, may, may_create
from enfold.hub.records.permissions import downloadable, may_see_private_of, readable_private
from enfold.hub.records.repositories import create_repository
from enfold.hub.records.schema import Repository

ALICE, BOB, LAB = 1, 2, 3


def repository(**values: object) -> Repository:
    given: dict[str, object] = {
        "id": 10, "account_id": ALICE, "creator_id": ALICE, "private": False, "gated": None, "type": "model",
        "full_name": "alice/m",
    }  # fmt: skip
    return Repository(**{**given, **values})


def user(account_id: int = BOB, **values: object) -> Principal:
    given: dict[str, object] = {
        "kind": "user", "name": "u", "account_id": account_id, "roles": {account_id: "admin"}, "scope": "write"
    }  # fmt: skip
    return Principal(**{**given, **values})  # type: ignore[arg-type]


def actions(principal: Principal, where: Repository) -> str:
    """What is allowed, as the first letters: read, download, (speak in) discussions, write, admin."""
    names = {"r": "read", "d": "download", "s": "discuss", "w": "write", "a": "admin"}
    return "".join(letter for letter, action in names.items() if may(principal, action, where))  # type: ignore[arg-type]


CALLERS = {
    "anonymous": ANONYMOUS,
    "stranger": user(),
    "stranger, read token": user(scope="read"),
    "owner": user(ALICE),
    "owner, read token": user(ALICE, scope="read"),
    "admin of the hub": user(is_admin=True),
    "admin of the hub, read token": user(is_admin=True, scope="read"),
    "the hub itself": Principal.job("test"),
    "owner, grant to read it": user(ALICE, scope="fineGrained", grants=(Grant("read", repository_id=10),)),
    "owner, grant to write it": user(ALICE, scope="fineGrained", grants=(Grant("write", repository_id=10),)),
    "owner, grant to administer all": user(ALICE, scope="fineGrained", grants=(Grant("admin", account_id=ALICE),)),
    "owner, grant on another": user(ALICE, scope="fineGrained", grants=(Grant("admin", repository_id=11),)),
    "owner, no grant": user(ALICE, scope="fineGrained"),
    "stranger, grant to write it": user(scope="fineGrained", grants=(Grant("write", repository_id=10),)),
}


@pytest.mark.parametrize(
    ("who", "public", "private"),
    [
        ("anonymous", "rd", ""),
        ("stranger", "rds", ""),
        ("stranger, read token", "rd", ""),
        ("owner", "rdswa", "rdswa"),
        ("owner, read token", "rd", "rd"),
        ("admin of the hub", "rdswa", "rdswa"),
        ("admin of the hub, read token", "rd", "rd"),
        ("the hub itself", "rdswa", "rdswa"),
        ("owner, grant to read it", "rd", "rd"),
        ("owner, grant to write it", "rdsw", "rdsw"),
        ("owner, grant to administer all", "rdswa", "rdswa"),
        ("owner, grant on another", "rds", ""),
        ("owner, no grant", "rd", ""),
        ("stranger, grant to write it", "rds", ""),
    ],
)
def test_public_and_private_repositories(who: str, public: str, private: str) -> None:
    assert actions(CALLERS[who], repository()) == public
    assert actions(CALLERS[who], repository(private=True)) == private


@pytest.mark.parametrize(
    ("role", "theirs", "others"),
    [("read", "rds", "rds"), ("contributor", "rdswa", "rds"), ("write", "rdsw", "rdsw"), ("admin", "rdswa", "rdswa")],
)
def test_roles_in_an_organisation(role: str, theirs: str, others: str) -> None:
    member = user(BOB, roles={BOB: "admin", LAB: role})
    assert actions(member, repository(account_id=LAB, private=True, creator_id=BOB)) == theirs
    assert actions(member, repository(account_id=LAB, private=True, creator_id=ALICE)) == others
    assert may_create(member, LAB) == (role != "read")


def test_a_gate_keeps_files_back_from_those_who_were_not_let_in() -> None:
    gated = repository(gated="manual")
    assert actions(ANONYMOUS, gated) == "r"
    assert actions(user(), gated) == "rs"
    assert actions(user(accepted=frozenset({10})), gated) == "rds"
    assert actions(user(accepted=frozenset({10}), scope="fineGrained"), gated) == "rd"
    assert actions(user(accepted=frozenset({11})), gated) == "rs"
    assert actions(user(ALICE), gated) == "rdswa"
    assert actions(user(ALICE, scope="fineGrained"), gated) == "r", "not even the owner's token that is made for less"


def test_being_let_in_does_not_open_a_private_repository() -> None:
    assert actions(user(accepted=frozenset({10})), repository(gated="auto", private=True)) == ""


def test_what_is_mirrored_is_written_by_nobody_and_read_by_those_who_are_listed() -> None:
    kept = {"mirrored": True, "account_id": LAB, "creator_id": None}
    listed = user(mirrored=frozenset({10}))
    assert actions(user(is_admin=True), repository(**kept)) == "rdsa"
    assert actions(user(roles={BOB: "admin", LAB: "admin"}), repository(**kept)) == "rdsa"
    assert actions(listed, repository(**kept, private=True)) == "rds"
    assert actions(listed, repository(**kept, gated="manual")) == "rds"
    assert actions(user(mirrored=frozenset({11})), repository(**kept, private=True, gated="manual")) == ""
    limited = {"mirrored": frozenset({10}), "scope": "fineGrained"}
    assert actions(user(**limited), repository(**kept, private=True)) == ""
    granted = user(**limited, grants=(Grant("read", repository_id=10),))
    assert actions(granted, repository(**kept, private=True, gated="manual")) == "rd"


def test_who_may_make_repositories() -> None:
    assert not may_create(ANONYMOUS, ALICE)
    assert may_create(user(ALICE), ALICE)
    assert not may_create(user(ALICE, scope="read"), ALICE)
    assert not may_create(user(BOB), ALICE)
    assert may_create(user(BOB, is_admin=True), ALICE)
    assert not may_create(CALLERS["owner, grant to write it"], ALICE)
    assert may_create(CALLERS["owner, grant to administer all"], ALICE)


def test_private_repositories_of_an_account() -> None:
    assert may_see_private_of(user(ALICE), ALICE)
    assert may_see_private_of(user(ALICE, scope="read"), ALICE)
    assert not may_see_private_of(user(BOB), ALICE)
    assert not may_see_private_of(CALLERS["owner, grant to write it"], ALICE)


def test_the_condition_for_listings_says_what_may_says(records: Records) -> None:
    with records.write() as session:
        people = {name: accounts.create_user(session, name) for name in ("alice", "bob", "carol")}
        lab = accounts.create_organization(session, "lab", members=[(people["bob"], "read")])
        made = [
            create_repository(session, "model", name, private=True)
            for name in ("alice/a", "alice/b", "bob/a", "lab/a", "carol/a")
        ]
        made[2].gated = "manual"
    grants = [(), (Grant("read", repository_id=made[0].id),), (Grant("admin", account_id=lab.id),)]
    listed_for = {"alice": (), "bob": (made[0].id, made[4].id), "carol": (made[2].id,)}
    for admin in (False, True):
        for person in people.values():
            for scope in ("read", "write", "fineGrained"):
                for given in grants if scope == "fineGrained" else [()]:
                    with records.read() as session:
                        principal = accounts.principal_for(session, person)
                        principal = Principal(
                            kind="user", name=person.name, account_id=person.id, is_admin=admin,
                            roles=principal.roles, scope=scope, grants=given,
                            mirrored=frozenset(listed_for[person.name]),
                        )  # fmt: skip
                        condition = readable_private(principal)
                        assert condition is not None
                        listed = set(session.scalars(sa.select(Repository.full_name).where(condition)))
                        chosen = sa.select(Repository.full_name).where(downloadable(principal))
                        files = set(session.scalars(chosen))
                    assert listed == {each.full_name for each in made if may(principal, "read", each)}
                    assert files == {each.full_name for each in made if may(principal, "download", each)}
    assert readable_private(ANONYMOUS) is None
