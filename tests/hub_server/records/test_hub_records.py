"""Accounts, tokens, repositories, refs and links in a real database."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from enfold.errors import ServiceError, SettingsError
from enfold.hub.records import (
    Grant,
    NameTaken,
    NotKnown,
    Records,
    RefMoved,
    TokenFault,
    accounts,
    links,
    refs,
    tokens,
)
from enfold.hub.records.database import FORMAT
from enfold.hub.records.repositories import (
    create_repository,
    delete_repository,
    find_repository,
    locate_repository,
    move_repository,
)
from enfold.hub.records.schema import Account, Base, RefMove, Repository, Token, now
from enfold.hub.store.extents import Extent, LargeFile

A, B, C = "a" * 40, "b" * 40, "c" * 40


def test_the_steps_make_the_tables_that_the_code_reads(records: Records) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def ours(thing: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and str(name).startswith(("repository_search", "enfold_hub_version")))

    with records.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_newer_format_is_refused(hub_database: str) -> None:
    opened = Records(hub_database)
    with opened.write() as session:
        session.execute(sa.text("UPDATE enfold_hub_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(ServiceError, match=f"has format '9999', newer than '{FORMAT}'.*upgrade Enfold"):
        Records(hub_database)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://h/d", "cannot be kept in 'mysql'; it can in: sqlite, postgresql"),
        ("://:secret@host/d", "postgresql://USER:PASSWORD@HOST"),
        ("sqlite://", "names no file"),
    ],
)
def test_addresses_that_are_no_database(address: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Records(address)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ServiceError, match="hub.sqlite failed: file is not a database; give another path"):
        Records(tmp_path / "hub.sqlite")


# Accounts ------------------------------------------------------------------------------------------------------------


def test_users_organisations_and_canonical_models_share_names_whatever_their_case(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "Alice")
        accounts.create_organization(session, "lab")
        create_repository(session, "model", "gpt2")
    for name in ("alice", "ALICE", "Lab", "GPT2"):
        for make in (accounts.create_user, accounts.create_organization):
            with pytest.raises(NameTaken, match=f"the name '{name}' is taken"), records.write() as session:
                make(session, name)
    with pytest.raises(NameTaken, match="taken by a user"), records.write() as session:
        create_repository(session, "model", "alice")


def test_roles_of_members(records: Records) -> None:
    with records.write() as session:
        alice, bob = (accounts.create_user(session, name) for name in ("alice", "bob"))
        lab = accounts.create_organization(session, "lab", full_name="The Lab", members=[(alice, "admin")])
        accounts.add_member(session, lab, bob, "read")
        accounts.add_member(session, lab, bob, "contributor")
    with records.read() as session:
        assert [(each.name, role) for each, role in accounts.organizations_of(session, bob.id)] == [
            ("lab", "contributor")
        ]
        assert [(each.name, role) for each, role in accounts.members_of(session, lab.id)] == [
            ("alice", "admin"),
            ("bob", "contributor"),
        ]
        assert accounts.principal_for(session, bob).roles == {bob.id: "admin", lab.id: "contributor"}
    with pytest.raises(SettingsError, match="no role 'writer'.*did you mean 'write'"), records.write() as session:
        accounts.add_member(session, lab, bob, "writer")  # type: ignore[arg-type]
    with pytest.raises(NotKnown, match="'lab' is no user"), records.write() as session:
        accounts.add_member(session, lab, lab)
    with pytest.raises(NotKnown, match="there is no user 'alcie'; did you mean 'alice'"), records.read() as session:
        accounts.user(session, "alcie")


# Tokens --------------------------------------------------------------------------------------------------------------


def test_a_token_is_kept_as_a_digest_and_stands_for_its_user(records: Records) -> None:
    with records.write() as session:
        alice = accounts.create_user(session, "alice", is_admin=True)
        secret = tokens.create_token(session, alice, "laptop")
        reading = tokens.create_token(session, alice, "reader", role="read")
    assert secret.startswith("hf_") and len(secret) == 43
    principal = records.bearer(secret)
    assert (principal.name, principal.scope, principal.is_admin) == ("alice", "write", True)
    assert records.bearer(reading).scope == "read"
    with records.read() as session:
        for column in Token.__table__.columns:
            assert secret not in map(str, session.scalars(sa.select(column)))


def test_the_last_use_is_written_down(records: Records, hub_database: str) -> None:
    with records.write() as session:
        secret = tokens.create_token(session, accounts.create_user(session, "alice"), "t")
    records.bearer(secret)
    records.close()
    with Records(hub_database).read() as session:
        assert session.scalars(sa.select(Token.last_used_at)).one() is not None


def test_tokens_that_let_nobody_in(records: Records) -> None:
    with records.write() as session:
        alice = accounts.create_user(session, "alice")
        good, late, gone = (
            tokens.create_token(session, alice, name, expires_at=until)
            for name, until in (("a", None), ("b", now() - timedelta(seconds=1)), ("c", now() + timedelta(days=1)))
        )
        tokens.revoke_token(session, alice, "c")
    for secret, message in ((late, "expired"), (gone, "revoked"), (good[:-1], "Invalid credentials"), ("", "Invalid")):
        with pytest.raises(TokenFault, match=message):
            records.bearer(secret)
    with records.write() as session:
        session.get_one(Account, alice.id).suspended_at = now()
    with pytest.raises(TokenFault, match="suspended"):
        records.bearer(good)


def test_a_fine_grained_token_carries_its_grants(records: Records) -> None:
    with records.write() as session:
        alice = accounts.create_user(session, "alice")
        made = create_repository(session, "model", "alice/m")
        given = [Grant("write", repository_id=made.id), Grant("read", account_id=alice.id)]
        secret = tokens.create_token(session, alice, "narrow", role="fineGrained", grants=given)
    principal = records.bearer(secret)
    assert principal.scope == "fineGrained"
    assert set(principal.grants) == set(given)
    with records.write() as session:
        delete_repository(session, session.get_one(Repository, made.id))
    assert records.bearer(secret).grants == (given[1],), "a grant goes with its repository"


def test_what_a_token_may_be_called(records: Records) -> None:
    with records.write() as session:
        alice = accounts.create_user(session, "alice")
        tokens.create_token(session, alice, "t")
        with pytest.raises(NameTaken, match="alice has a token 't' already; revoke it first"):
            tokens.create_token(session, alice, "t")
        tokens.revoke_token(session, alice, "t")
        tokens.create_token(session, alice, "t")
        with pytest.raises(SettingsError, match="cannot be the name of a token"):
            tokens.create_token(session, alice, "a\nb")
        with pytest.raises(SettingsError, match="no role 'writ' of a token.*did you mean 'write'"):
            tokens.create_token(session, alice, "x", role="writ")  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="takes no grants"):
            tokens.create_token(session, alice, "x", grants=[Grant("read", account_id=alice.id)])
        with pytest.raises(NotKnown, match="alice has no token 'tt'; did you mean 't'"):
            tokens.revoke_token(session, alice, "tt")


# Repositories --------------------------------------------------------------------------------------------------------


def test_a_repository_is_found_whatever_the_case_and_by_its_type(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "alice")
        made = create_repository(session, "dataset", "alice/Data")
    with records.read() as session:
        for name in ("alice/Data", "ALICE/data"):
            found = find_repository(session, "dataset", name)
            assert found is not None and found.full_name == "alice/Data"
        assert find_repository(session, "model", "alice/data") is None
    assert len(made.uid) == 24
    taken = "A dataset repository called alice/Data already exists"
    with pytest.raises(NameTaken, match=taken), records.write() as session:
        create_repository(session, "dataset", "Alice/DATA")
    with pytest.raises(NotKnown, match="no user or organisation 'nobody'"), records.write() as session:
        create_repository(session, "model", "nobody/m")


def test_old_names_lead_to_the_new_one_until_somebody_takes_them(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "alice")
        accounts.create_organization(session, "lab")
        made = create_repository(session, "model", "alice/one")
        move_repository(session, made, "alice/two")
        move_repository(session, made, "lab/three")
    with records.read() as session:
        for name, moved in (("alice/one", True), ("alice/two", True), ("lab/three", False)):
            found, has_moved = locate_repository(session, "model", name)
            assert found is not None and (found.id, has_moved) == (made.id, moved)
    with records.write() as session:
        other = create_repository(session, "model", "alice/one")
        move_repository(session, session.get_one(Repository, made.id), "alice/two")
    with records.read() as session:
        assert locate_repository(session, "model", "alice/one")[0].id == other.id  # type: ignore[union-attr]
        assert locate_repository(session, "model", "alice/two") == (session.get(Repository, made.id), False)
    with pytest.raises(NameTaken, match="called alice/one already exists"), records.write() as session:
        move_repository(session, session.get_one(Repository, made.id), "alice/ONE")


def test_changing_only_the_case_of_a_name(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "alice")
        made = create_repository(session, "model", "alice/m")
        move_repository(session, made, "alice/M")
    with records.read() as session:
        assert locate_repository(session, "model", "alice/m")[0].full_name == "alice/M"  # type: ignore[union-attr]


def test_what_belongs_to_a_repository_goes_with_it_and_its_uid_never_comes_back(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "alice")
        made = create_repository(session, "model", "alice/m")
        refs.move_ref(session, made, refs.MAIN, None, A, reason="create")
        links.put_large_file(session, LargeFile("f" * 64, 3, (Extent("lfs/ff/f", 0, 3),)))
        links.link(session, made, ["f" * 64], by_id=None)
        move_repository(session, made, "alice/n")
    with records.write() as session:
        delete_repository(session, session.get_one(Repository, made.id))
    with records.read() as session:
        assert locate_repository(session, "model", "alice/m") == (None, False)
        assert list(session.scalars(sa.select(RefMove))) == []
        assert session.execute(sa.text("SELECT count(*) FROM repository_search")).scalar() == 0
        assert links.large_file(session, "f" * 64) is not None, "the bytes are everyone's until they are collected"
    with records.write() as session:
        again = create_repository(session, "model", "alice/m")
        assert again.uid != made.uid
        assert not links.is_linked(session, again, "f" * 64)


# Refs ----------------------------------------------------------------------------------------------------------------


def test_a_ref_moves_only_from_where_the_writer_saw_it(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "alice")
        made = create_repository(session, "model", "alice/m")
        refs.move_ref(session, made, refs.MAIN, None, A, reason="create")
    with records.write() as session:
        refs.move_ref(session, made, refs.MAIN, A, B, reason="commit")
    for old, new in ((A, C), (None, C), (C, None)):
        with pytest.raises(RefMoved, match=f"refs/heads/main is at {B}"), records.write() as session:
            refs.move_ref(session, made, refs.MAIN, old, new, reason="commit")
    with records.read() as session:
        assert refs.head_of(session, made) == B
        moves = [(move.old, move.new) for move in session.scalars(sa.select(RefMove).order_by(RefMove.id))]
        assert moves == [(None, A), (A, B)], "a move that was refused leaves nothing"
    with records.write() as session:
        refs.move_ref(session, made, refs.MAIN, B, None, reason="delete")
        assert refs.head_of(session, made) is None


def test_of_many_writers_at_once_one_moves_the_ref_and_all_others_know(records: Records) -> None:
    with records.write() as session:
        accounts.create_user(session, "alice")
        made = create_repository(session, "model", "alice/m")
        refs.move_ref(session, made, refs.MAIN, None, A, reason="create")
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            with records.write() as session:
                refs.move_ref(session, made, refs.MAIN, A, f"{number:040x}", reason="commit")
            outcomes.append("moved")
        except RefMoved:
            outcomes.append("refused")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved"] + ["refused"] * 7


# Large files ---------------------------------------------------------------------------------------------------------


def test_a_large_file_is_stored_once_and_linked_by_repository(records: Records) -> None:
    whole = LargeFile("1" * 64, 10, (Extent("xorbs/a", 5, 4), Extent("xorbs/b", 0, 6)))
    with records.write() as session:
        accounts.create_user(session, "alice")
        one, two = (create_repository(session, "model", f"alice/{name}") for name in ("one", "two"))
        links.put_large_file(session, whole)
        links.put_large_file(session, LargeFile("1" * 64, 10, (Extent("lfs/c", 0, 10),)))
        links.link(session, one, ["1" * 64, "1" * 64], by_id=None)
        links.link(session, one, ["1" * 64], by_id=None)
    with records.read() as session:
        assert links.large_file(session, "1" * 64) == whole
        assert links.large_file(session, "2" * 64) is None
        assert links.linked(session, one, ["1" * 64, "2" * 64]) == {"1" * 64: 10}
        assert links.linked(session, two, ["1" * 64]) == {}
    with pytest.raises(NotKnown, match="2222 is not stored"), records.write() as session:
        links.link(session, two, ["2" * 64], by_id=None)
