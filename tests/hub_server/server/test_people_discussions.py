"""Discussions and pull requests, with the unmodified client and a second user."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_on_loopback import Hub
from huggingface_hub import (
    CommitOperationAdd,
    DiscussionComment,
    DiscussionCommit,
    DiscussionStatusChange,
    DiscussionTitleChange,
)
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from enfold.hub.records import Principal, accounts, discussions
from enfold.hub.records.refs import MAIN, head_of
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Repository
from enfold.hub.server.commits import Draft, Message, land
from enfold.hub.server.errors import HubError
from enfold.hub.server.pull_requests import Opened, check_may_push, open_pull_request
from enfold.hub.server.serving import open_hub
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState

HIDDEN = "This comment has been hidden"


class Writer:
    """Commits to the running hub's repositories by the one way in which commits land."""

    def __init__(self, state: HubState) -> None:
        self.state = state

    def principal(self, name: str) -> Principal:
        with self.state.records.read() as session:
            return accounts.principal_for(session, accounts.user(session, name))

    def repository(self, full_name: str) -> Repository:
        with self.state.records.read() as session:
            found = find_repository(session, "model", full_name)
        assert found is not None
        return found

    def commit(self, user: str, full_name: str, ref: str = MAIN, title: str = "change", **files: bytes) -> str:
        with Draft(self.state, self.repository(full_name)) as draft:
            for name, data in files.items():
                draft.put(name.replace("__", "."), data)
            return land(draft, ref, Message(title), self.principal(user)).commit

    def open_with(self, user: str, full_name: str, title: str, **files: bytes) -> Opened:
        repository = self.repository(full_name)
        with Draft(self.state, repository) as draft:
            for name, data in files.items():
                draft.put(name.replace("__", "."), data)
            return open_pull_request(self.state, repository, self.principal(user), title=title, draft=draft)

    def head(self, full_name: str, ref: str = MAIN) -> str:
        with self.state.records.read() as session:
            head = head_of(session, self.repository(full_name), ref)
        assert head is not None
        return head

    def text(self, full_name: str, path: str) -> bytes:
        from enfold.hub.store import trees

        store = self.state.objects(self.repository(full_name))
        entry = trees.entry_at(store, store.commit(self.head(full_name)).tree, path.encode())
        return store.blob(entry.oid)


@pytest.fixture(scope="module")
def writer(hub: Hub) -> Iterator[Writer]:
    state = open_hub(HubSettings(root=hub.root))
    yield Writer(state)
    state.close()


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    return hub.api("alice").create_repo(f"alice/{name}").repo_id


def test_a_discussion_from_its_opening_to_its_closing(hub: Hub, repo: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    opened = bob.create_discussion(repo, "  A question ", description="What **is** it? <script>alert(1)</script>")
    assert (opened.num, opened.title, opened.status, opened.author) == (1, "A question", "open", "bob")
    assert (opened.is_pull_request, opened.target_branch, opened.git_reference) == (False, None, None)
    assert opened.url == f"{hub.url}/{repo}/discussions/1"
    first = opened.events[0]
    assert isinstance(first, DiscussionComment) and first.author == "bob"
    assert "<strong>is</strong>" in first.rendered and "<script" not in first.rendered

    answer = alice.comment_discussion(repo, 1, "It is a model.")
    assert (answer.author, answer.content, answer.edited, answer.hidden) == ("alice", "It is a model.", False, False)
    edited = alice.edit_discussion_comment(repo, 1, answer.id, "It is a small model.")
    assert (edited.edited, edited.content, edited.last_edited_by) == (True, "It is a small model.", "alice")
    assert [version["raw"] for version in edited.edit_history] == ["It is a model."]

    renamed = bob.rename_discussion(repo, 1, "What is it?")
    assert isinstance(renamed, DiscussionTitleChange)
    assert (renamed.old_title, renamed.new_title) == ("A question", "What is it?")
    closed = alice.change_discussion_status(repo, 1, "closed", comment="Answered.")
    assert isinstance(closed, DiscussionStatusChange) and closed.new_status == "closed"
    read = hub.api().get_discussion_details(repo, 1)
    assert (read.title, read.status) == ("What is it?", "closed")
    assert [event.type for event in read.events] == ["comment", "comment", "title-change", "comment", "status-change"]
    assert bob.change_discussion_status(repo, 1, "open").new_status == "open"


def test_a_hidden_comment_is_gone(hub: Hub, repo: str) -> None:
    bob = hub.api("bob")
    comment = bob.create_discussion(repo, "Oh no", description="my password is hunter2").events[0]
    bob.edit_discussion_comment(repo, 1, comment.id, "hunter2 was a slip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        hidden = hub.api("alice").hide_discussion_comment(repo, 1, comment.id)
    assert hidden.hidden and hidden.content == HIDDEN
    answer = hub.ask("GET", f"/api/models/{repo}/discussions/1")
    assert "hunter2" not in answer.text
    with hub.records.read() as session:
        repository = find_repository(session, "model", repo)
        assert repository is not None
        found = discussions.find_discussion(session, repository, 1)
        assert found is not None
        assert "hunter2" not in str([event.data for event in discussions.events_of(session, found)])
    with pytest.raises(HfHubHTTPError, match="cannot be changed any more"):
        bob.edit_discussion_comment(repo, 1, comment.id, "again")


def test_lists_are_filtered_and_come_by_page(hub: Hub, repo: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    with hub.records.write() as session:
        repository = find_repository(session, "model", repo)
        assert repository is not None
        for number in range(60):
            discussions.open_discussion(session, repository, None, f"number {number + 1}", "text")
    bob.create_discussion(repo, "sixty-one", description="text")
    pull = bob.create_pull_request(repo, "sixty-two")
    assert pull.num == 62, "discussions and pull requests are numbered in one row"
    alice.change_discussion_status(repo, 60, "closed")
    every = list(hub.api().get_repo_discussions(repo))
    assert [each.num for each in every] == list(range(62, 0, -1))
    assert (every[-1].author, every[0].repo_id, every[0].repo_type) == ("deleted", repo, "model")
    first = hub.ask("GET", f"/api/models/{repo}/discussions?p=1").json()
    assert (first["count"], first["start"], len(first["discussions"])) == (62, 50, 12)

    def numbers(**filters: str) -> list[int]:
        return [each.num for each in alice.get_repo_discussions(repo, **filters)]

    assert numbers(author="bob") == [62, 61]
    assert numbers(author="nobody") == []
    assert numbers(discussion_type="pull_request") == [62]
    assert numbers(discussion_type="discussion", author="bob") == [61]
    assert numbers(discussion_status="closed") == [60]
    assert 62 in numbers(discussion_status="open"), "a draft counts as open"


def test_a_pull_request_made_by_the_client_is_a_draft_at_the_head_of_main(hub: Hub, repo: str, writer: Writer) -> None:
    pull = hub.api("bob").create_pull_request(repo, "Better card", description="It says more.")
    assert (pull.status, pull.is_pull_request, pull.git_reference) == ("draft", True, "refs/pr/1")
    assert (pull.target_branch, pull.conflicting_files, pull.merge_commit_oid) == (MAIN, False, None)
    assert writer.head(repo, "refs/pr/1") == writer.head(repo)
    with pytest.raises(HfHubHTTPError, match="is draft and cannot be merged; open it first"):
        hub.api("alice").merge_pull_request(repo, 1)


def test_a_pull_request_is_pushed_to_reviewed_and_merged(hub: Hub, repo: str, writer: Writer) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    bob.create_pull_request(repo, "Add a file")
    writer.commit("bob", repo, "refs/pr/1", "first", a__txt=b"one\n")
    last = writer.commit("bob", repo, "refs/pr/1", "second", b__txt=b"two\n")
    bob.change_discussion_status(repo, 1, "open", comment="Ready.")
    on_main = writer.commit("alice", repo, c__txt=b"three\n")
    read = alice.get_discussion_details(repo, 1)
    commits = [event for event in read.events if isinstance(event, DiscussionCommit)]
    assert [event.summary for event in commits] == ["first", "second"]
    assert (commits[1].oid, commits[1].author) == (last, "bob")
    assert read.diff is not None and "+one" in read.diff and "three" not in read.diff
    assert read.conflicting_files is False

    alice.merge_pull_request(repo, 1, comment="  Thank you. ")
    read = bob.get_discussion_details(repo, 1)
    assert (read.status, read.merge_commit_oid) == ("merged", writer.head(repo))
    assert [event.type for event in read.events[-2:]] == ["comment", "status-change"]
    assert read.diff is not None and "+one" in read.diff and "+two" in read.diff
    commit = writer.state.objects(writer.repository(repo)).commit(writer.head(repo))
    assert (commit.parents, commit.title) == ((on_main, last), "Add a file (#1)")
    for path, text in {"a.txt": b"one\n", "b.txt": b"two\n", "c.txt": b"three\n"}.items():
        assert writer.text(repo, path) == text
    for refused in (
        lambda: alice.merge_pull_request(repo, 1),
        lambda: alice.change_discussion_status(repo, 1, "closed"),
    ):
        with pytest.raises(HfHubHTTPError, match="merged"):
            refused()


def test_lines_that_both_changed_are_a_conflict_until_they_are_resolved(hub: Hub, repo: str, writer: Writer) -> None:
    alice = hub.api("alice")
    writer.commit("alice", repo, card__md=b"1\n2\n3\n4\n5\n6\n7\n8\n")
    pull = writer.open_with("bob", repo, "Mine", card__md=b"one\n2\n3\n4\n5\n6\n7\n8\n", new__txt=b"x")
    writer.commit("alice", repo, card__md=b"uno\n2\n3\n4\n5\n6\n7\neight\n")
    read = alice.get_discussion_details(repo, pull.number)
    assert (read.status, read.conflicting_files) == ("open", ["card.md"])
    before = writer.head(repo)
    with pytest.raises(HfHubHTTPError, match=r"conflicts with refs/heads/main: card\.md") as caught:
        alice.merge_pull_request(repo, pull.number)
    assert caught.value.response.status_code == 409
    assert writer.head(repo) == before
    writer.commit("bob", repo, pull.ref, "resolve", card__md=b"uno\n2\n3\n4\n5\n6\n7\n8\n")
    assert alice.get_discussion_details(repo, pull.number).conflicting_files is False
    alice.merge_pull_request(repo, pull.number)
    assert writer.text(repo, "card.md") == b"uno\n2\n3\n4\n5\n6\n7\neight\n"


def test_a_pull_request_that_brings_nothing_is_merged_at_the_head(hub: Hub, repo: str, writer: Writer) -> None:
    alice = hub.api("alice")
    alice.create_pull_request(repo, "Nothing yet")
    alice.change_discussion_status(repo, 1, "open")
    head = writer.head(repo)
    alice.merge_pull_request(repo, 1)
    assert alice.get_discussion_details(repo, 1).merge_commit_oid == head == writer.head(repo)


def test_a_pull_request_with_a_commit_is_opened_whole_or_not_at_all(hub: Hub, repo: str, writer: Writer) -> None:
    repository, bob = writer.repository(repo), writer.principal("bob")
    with Draft(writer.state, repository) as draft:
        draft.delete("missing.txt")
        with pytest.raises(HubError, match="A file with this name doesn't exist"):
            open_pull_request(writer.state, repository, bob, title="Oops", draft=draft)
    with Draft(writer.state, repository) as draft:
        draft.put_large("weights.bin", "7" * 64, 9)
        with pytest.raises(HubError, match="was not uploaded to this repository"):
            open_pull_request(writer.state, repository, bob, title="Oops", draft=draft)
    with Draft(writer.state, repository) as draft:
        draft.put("a", b"a")
        with pytest.raises(HubError, match="Invalid rev id: nope"):
            open_pull_request(writer.state, repository, bob, title="Oops", draft=draft, base="refs/heads/nope")
    assert list(hub.api().get_repo_discussions(repo)) == []
    opened = writer.open_with("bob", repo, "Good", a__txt=b"a")
    assert opened.number == 1
    assert writer.open_with("bob", repo, "Good", a__txt=b"a") == opened, "a request that comes again"
    assert writer.open_with("alice", repo, "Good", a__txt=b"a").number == 2
    with Draft(writer.state, repository) as draft:
        draft.put("a.txt", b"b")
        old = open_pull_request(writer.state, repository, bob, title="Old", draft=draft, parent=opened.commit)
    assert writer.state.objects(repository).commit(old.commit).parents == (opened.commit,)


def test_who_may_push_to_a_pull_request(hub: Hub, repo: str, writer: Writer) -> None:
    if "carol" not in hub.tokens:
        hub.add_user("carol")
    hub.api("bob").create_pull_request(repo, "From bob")
    repository = writer.repository(repo)

    def pushes(user: str, ref: str = "refs/pr/1") -> None:
        with writer.state.records.read() as session:
            check_may_push(session, writer.principal(user), repository, ref)

    pushes("bob")
    pushes("alice")
    with pytest.raises(HubError, match="only its author"):
        pushes("carol")
    for missing in ("refs/pr/2", "refs/pr/x", "refs/pr/99999999999999999999"):
        with pytest.raises(HubError, match="Invalid rev id"):
            pushes("alice", missing)
    hub.api("bob").change_discussion_status(repo, 1, "closed")
    with pytest.raises(HubError, match="is closed; nothing more can be pushed"):
        pushes("bob")


def test_what_others_may_not_do(hub: Hub, repo: str, writer: Writer) -> None:
    if "carol" not in hub.tokens:
        hub.add_user("carol")
    alice, bob, carol = hub.api("alice"), hub.api("bob"), hub.api("carol")
    comment = bob.create_discussion(repo, "From bob", description="mine").events[0]
    writer.open_with("bob", repo, "Change", a__txt=b"a")
    refused = [
        lambda: bob.merge_pull_request(repo, 2),
        lambda: carol.merge_pull_request(repo, 2),
        lambda: carol.change_discussion_status(repo, 1, "closed"),
        lambda: carol.rename_discussion(repo, 1, "Stolen"),
        lambda: carol.edit_discussion_comment(repo, 1, comment.id, "not mine"),
        lambda: alice.edit_discussion_comment(repo, 1, comment.id, "not mine either"),
        lambda: carol.hide_discussion_comment(repo, 1, comment.id),
    ]
    for each in refused:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with pytest.raises(HfHubHTTPError) as caught:
                each()
        assert caught.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError) as caught:
        hub.api().create_discussion(repo, "Anonymous", description="hello")
    assert caught.value.response.status_code == 401
    hub.add_token("bob-reads", "bob", role="read")
    with pytest.raises(HfHubHTTPError) as caught:
        hub.api("bob-reads").create_discussion(repo, "With a read token", description="hello")
    assert caught.value.response.status_code == 403
    read = alice.get_discussion_details(repo, 1)
    assert (read.title, read.status, read.events[0].content) == ("From bob", "open", "mine")  # type: ignore[attr-defined]


def test_a_comment_of_another_discussion_is_not_found_through_this_one(hub: Hub, repo: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    secret = alice.create_repo(f"{repo}-private", private=True).repo_id
    comment = alice.create_discussion(secret, "Inside", description="secret").events[0]
    bob.create_discussion(repo, "Outside", description="open")
    with pytest.raises(HfHubHTTPError, match="has no comment"):
        bob.edit_discussion_comment(repo, 1, comment.id, "found")
    for ask in (
        lambda: bob.get_discussion_details(secret, 1),
        lambda: list(bob.get_repo_discussions(secret)),
        lambda: bob.create_discussion(secret, "Knock knock", description="hello"),
        lambda: bob.comment_discussion(secret, 1, "hello"),
        lambda: bob.merge_pull_request(secret, 1),
    ):
        with pytest.raises(RepositoryNotFoundError):
            ask()


def test_discussions_can_be_switched_off(hub: Hub, repo: str, writer: Writer) -> None:
    hub.api("alice").create_discussion(repo, "Before", description="text")
    hub.ask("PUT", f"/api/models/{repo}/settings", "alice", json={"discussionsDisabled": True})
    for ask in (
        lambda: hub.api("bob").create_discussion(repo, "Later", description="text"),
        lambda: hub.api("bob").create_pull_request(repo, "Later"),
        lambda: hub.api("bob").comment_discussion(repo, 1, "text"),
    ):
        with pytest.raises(HfHubHTTPError, match="discussions and pull requests are disabled for model"):
            ask()
    with pytest.raises(HubError, match="are disabled"):
        writer.open_with("bob", repo, "Later", a__txt=b"a")


def test_a_gated_repository_shows_no_content_through_a_pull_request(hub: Hub, repo: str, writer: Writer) -> None:
    opened = writer.open_with("alice", repo, "Weights", secret__txt=b"gated content\n")
    hub.ask("PUT", f"/api/models/{repo}/settings", "alice", json={"gated": "manual"})
    assert "gated content" in (hub.api("alice").get_discussion_details(repo, opened.number).diff or "")
    assert hub.api("bob").get_discussion_details(repo, opened.number).diff is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"title": "ab", "description": "x"}, "title"),
        ({"title": "x" * 201, "description": "x"}, "title"),
        ({"title": "fine", "description": "   "}, "description"),
        ({"title": "fine"}, "description is missing"),
    ],
)
def test_what_cannot_be_opened(hub: Hub, repo: str, body: dict[str, str], said: str) -> None:
    answer = hub.ask("POST", f"/api/models/{repo}/discussions", "alice", json=body)
    assert answer.status_code == 422 and said in answer.json()["error"]


def test_discussions_that_are_not_there(hub: Hub, repo: str) -> None:
    for path in ("/7", "/7/comment", "/7/title", "/7/status", "/7/merge"):
        method = "GET" if path == "/7" else "POST"
        body = {"comment": "text", "title": "title", "status": "closed"}
        more = {} if method == "GET" else {"json": body}
        answer = hub.ask(method, f"/api/models/{repo}/discussions{path}", "alice", **more)
        assert answer.status_code == 404, path
    assert hub.ask("GET", f"/api/models/{repo}/discussions/0").status_code == 422
    assert hub.ask("GET", f"/api/models/{repo}/discussions/99999999999").status_code == 422


def test_discussions_of_a_data_set(hub: Hub, name: str) -> None:
    bob = hub.api("bob")
    repo = bob.create_repo(f"bob/{name}", repo_type="dataset").repo_id
    made = bob.create_pull_request(repo, "For a data set", repo_type="dataset")
    assert made.url == f"{hub.url}/datasets/{repo}/discussions/1"
    assert made.repo_type == "dataset"


def test_a_commit_as_a_pull_request_with_the_client_alone(hub: Hub, repo: str, tmp_path: Path) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    made = bob.create_commit(
        repo,
        [CommitOperationAdd("notes.txt", b"one\n")],
        commit_message="Add notes",
        commit_description="They help.",
        create_pr=True,
    )
    assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1")
    assert made.pr_url == f"{hub.url}/{repo}/discussions/1"
    bob.upload_file(path_or_fileobj=b"two\n", path_in_repo="more.txt", repo_id=repo, revision="refs/pr/1")
    read = alice.get_discussion_details(repo, 1)
    assert (read.title, read.status, read.author) == ("Add notes", "open", "bob")
    assert read.events[0].content == "They help."  # type: ignore[attr-defined]
    assert [event.summary for event in read.events if isinstance(event, DiscussionCommit)] == [
        "Add notes",
        "Upload more.txt with huggingface_hub",
    ]
    assert not alice.file_exists(repo, "notes.txt")
    path = alice.hf_hub_download(repo, "more.txt", revision="refs/pr/1", cache_dir=tmp_path)
    assert Path(path).read_text() == "two\n"
    pulls = alice.list_repo_refs(repo, include_pull_requests=True).pull_requests
    assert pulls is not None and [each.ref for each in pulls] == ["refs/pr/1"]
    with pytest.raises(HfHubHTTPError):
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)
    alice.merge_pull_request(repo, 1)
    assert sorted(alice.list_repo_files(repo)) == [".gitattributes", "more.txt", "notes.txt"]
    assert alice.list_repo_commits(repo)[0].title == "Add notes (#1)"
    with pytest.raises(HfHubHTTPError, match="merged"):
        bob.upload_file(path_or_fileobj=b"late", path_in_repo="late.txt", repo_id=repo, revision="refs/pr/1")


def test_two_pull_requests_to_one_file_conflict_with_the_client_alone(hub: Hub, repo: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    alice.upload_file(path_or_fileobj=b"zero\n", path_in_repo="a.txt", repo_id=repo)
    for text in (b"one\n", b"two\n"):
        bob.upload_file(path_or_fileobj=text, path_in_repo="a.txt", repo_id=repo, create_pr=True)
    alice.merge_pull_request(repo, 1)
    assert alice.get_discussion_details(repo, 2).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match=r"conflicts with refs/heads/main: a\.txt"):
        alice.merge_pull_request(repo, 2)


def test_a_branch_can_be_the_base_of_a_pull_request(hub: Hub, repo: str) -> None:
    alice = hub.api("alice")
    alice.create_branch(repo, branch="next")
    made = alice.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo, revision="next", create_pr=True)
    read = alice.get_discussion_details(repo, made.pr_num or 0)
    assert read.target_branch == "refs/heads/next"
    alice.merge_pull_request(repo, read.num)
    assert alice.file_exists(repo, "x.txt", revision="next") and not alice.file_exists(repo, "x.txt")


def test_numbers_are_given_out_once_and_a_merge_happens_once(hub: Hub, repo: str, writer: Writer) -> None:
    bob = hub.api("bob")

    def together(*calls: Callable[[], object]) -> list[object]:
        with ThreadPoolExecutor(len(calls)) as pool:
            futures = [pool.submit(call) for call in calls]
            return [future.exception() or future.result() for future in futures]

    opened = together(
        *(lambda: bob.create_discussion(repo, "At once", description="x") for _ in range(4)),
        *(lambda: bob.create_pull_request(repo, "At once") for _ in range(4)),
    )
    assert sorted(each.num for each in opened) == list(range(1, 9))  # type: ignore[attr-defined]
    pull = writer.open_with("bob", repo, "Once", once__txt=b"x")
    before = writer.head(repo)
    merged = together(*(lambda: hub.api("alice").merge_pull_request(repo, pull.number) for _ in range(4)))
    assert merged.count(None) == 1 and all(each is None or "merged" in str(each) for each in merged)
    store = writer.state.objects(writer.repository(repo))
    assert store.commit(writer.head(repo)).parents == (before, pull.commit)


def test_merges_and_commits_at_once_lose_nothing(hub: Hub, repo: str, writer: Writer) -> None:
    pulls = [writer.open_with("bob", repo, f"Number {n}", **{f"pull-{n}": b"x"}) for n in range(3)]
    alice = hub.api("alice")
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(alice.merge_pull_request, repo, pull.number) for pull in pulls]
        futures += [pool.submit(writer.commit, "alice", repo, **{f"main-{n}": b"y"}) for n in range(3)]
        for future in futures:
            future.result()
    files = set(alice.list_repo_files(repo))
    assert files == {".gitattributes", *(f"pull-{n}" for n in range(3)), *(f"main-{n}" for n in range(3))}
