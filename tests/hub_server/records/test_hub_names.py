"""Which names accounts and repositories may have."""

from __future__ import annotations

import pytest

from enfold.hub.records import InvalidName
from enfold.hub.records.names import check_account_name, check_repository_name, split_id


@pytest.mark.parametrize("name", ["a", "alice", "Alice-1", "a.b_c", "0x", "a" * 42])
def test_names_of_accounts(name: str) -> None:
    check_account_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("a" * 43, "has 43 characters, and at most 42"),
        ("älice", "letters of ASCII"),
        ("alic\u0435", "letters of ASCII"),  # a Cyrillic letter that looks like an e
        ("a b", "letters of ASCII"),
        ("a/b", "letters of ASCII"),
        ("a\n", "letters of ASCII"),
        ("-a", "letter or digit at its start"),
        ("a.", "letter or digit at its start"),
        ("a--b", "'--' is not allowed"),
        ("a..b", "'..' is not allowed"),
        ("api", "reserved for the hub itself"),
        ("DataSets", "reserved for the hub itself"),
    ],
)
def test_names_that_no_account_may_have(name: str, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason):
        check_account_name(name)


def test_first_pieces_of_the_servers_addresses_are_reserved_whatever_their_case() -> None:
    check_account_name("newroute")
    with pytest.raises(InvalidName, match="'NewRoute' is reserved"):
        check_account_name("NewRoute", taken_by_routes=["newroute"])


@pytest.mark.parametrize("name", ["m", "bert-base-uncased", "_private", "Qwen2.5-7B", "a" * 96])
def test_names_of_repositories(name: str) -> None:
    check_repository_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("a" * 97, "at most 96"),
        ("-m", "neither '-' nor '.'"),
        ("m.", "neither '-' nor '.'"),
        ("m..m", "'..' is not allowed"),
        ("m.git", "cannot end in '.git'"),
        ("m.GIT", "cannot end in '.git'"),
        ("resolve", "has a meaning in addresses"),
        ("Tree", "has a meaning in addresses"),
        ("m\0", "letters of ASCII"),
    ],
)
def test_names_that_no_repository_may_have(name: str, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason):
        check_repository_name(name)


def test_the_pieces_of_an_id() -> None:
    assert split_id("ns/name") == ("ns", "name")
    assert split_id("gpt2") == (None, "gpt2")
