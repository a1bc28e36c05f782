"""What is held to be right of a text, by the rule at the top of enfold.feedback.resolving."""

from __future__ import annotations

import pytest
from feedback_examples import LABELS, THREE, judged
from hypothesis import given
from hypothesis import strategies as st

from enfold.data.identity import content_id
from enfold.feedback import Conflict, Judgement, Resolved, resolve
from enfold.values import LabelSet


def outcome(*judgements: Judgement, labels: LabelSet = LABELS, known: str | None = None) -> str:
    """``ham``, ``not ham`` or ``conflict`` for judgements on one text."""
    resolved, conflicts = resolve(judgements, labels=labels, known={judgements[0].content_id: known} if known else None)
    assert len(resolved) + len(conflicts) == 1
    if conflicts:
        return "conflict"
    return resolved[0].label or f"not {resolved[0].predicted}"


def test_right_is_a_vote_for_the_predicted_label_and_label_for_the_given_one() -> None:
    assert outcome(judged("one", "ham")) == "ham"
    assert outcome(judged("one", "spam")) == "spam"


def test_wrong_alone_says_only_what_the_text_is_not() -> None:
    resolved, _ = resolve([judged("one", None)], labels=LABELS)
    assert (resolved[0].label, resolved[0].predicted, resolved[0].expected) == (None, "ham", "spam")
    assert resolved[0].corrects


def test_with_three_labels_a_rejection_expects_nothing() -> None:
    resolved, _ = resolve([judged("one", None, predicted="praise")], labels=THREE)
    assert (resolved[0].label, resolved[0].expected) == (None, None)


def test_texts_that_differ_in_case_and_blanks_are_one() -> None:
    resolved, conflicts = resolve(
        [judged("Win a  PRIZE", "spam", user="alice"), judged("win a prize", "spam", user="bob", minutes=1)],
        labels=LABELS,
    )
    assert conflicts == []
    assert [(one.text, one.supporters) for one in resolved] == [("win a prize", ("alice", "bob"))]


def test_the_last_word_of_a_user_counts_whatever_the_order_of_the_list() -> None:
    early, late = judged("one", "spam", user="alice"), judged("one", "ham", user="alice", minutes=1)
    assert outcome(early, late) == outcome(late, early) == "ham"


def test_the_last_word_counts_across_predictions_of_the_same_text() -> None:
    first = judged("one", None, predicted="ham", user="alice")
    second = judged("one", "spam", predicted="spam", user="alice", minutes=1)
    resolved, _ = resolve([first, second], labels=LABELS)
    assert (resolved[0].label, resolved[0].predicted, resolved[0].corrects) == ("spam", "spam", False)


def test_the_majority_of_users_wins() -> None:
    assert (
        outcome(judged("one", "spam", user="a"), judged("one", "spam", user="b"), judged("one", "ham", user="c"))
        == "spam"
    )


def test_a_tie_is_a_conflict_and_lists_the_votes() -> None:
    judgements = [judged("one", "spam", user="alice"), judged("one", "ham", user=None), judged("two", "ham")]
    resolved, conflicts = resolve(judgements, labels=LABELS)
    assert [one.text for one in resolved] == ["two"]
    assert conflicts == [
        Conflict(
            content_id=content_id("one"),
            text="one",
            votes=("alice: spam", "no name: ham"),
            reason="the users do not agree: no label has more users for it than against it",
        )
    ]


def test_the_most_votes_are_not_enough_when_more_are_against() -> None:
    def vote(label: str, user: str) -> Judgement:
        return judged("one", label, predicted="praise", user=user)

    assert (
        outcome(vote("praise", "a"), vote("praise", "b"), vote("question", "c"), vote("complaint", "d"), labels=THREE)
        == "conflict"
    )


def test_wrong_counts_against_the_predicted_label_alone() -> None:
    wrong = judged("one", None, user="a")
    assert outcome(wrong, judged("one", "ham", user="b")) == "conflict"
    assert outcome(wrong, judged("one", "spam", user="b")) == "spam"
    assert outcome(wrong, judged("one", None, user="b"), judged("one", "ham", user="c")) == "not ham"
    assert outcome(wrong, judged("one", "ham", user="b"), judged("one", "ham", user="c")) == "ham"


def test_rejections_of_both_labels_are_a_conflict() -> None:
    assert (
        outcome(judged("one", None, predicted="ham", user="a"), judged("one", None, predicted="spam", user="b"))
        == "conflict"
    )


def test_all_who_give_no_name_have_one_vote() -> None:
    assert (
        outcome(*[judged("one", "spam", minutes=n) for n in range(5)], judged("one", "ham", user="bob")) == "conflict"
    )


def test_a_label_that_the_project_no_longer_has_is_a_conflict() -> None:
    _, conflicts = resolve([judged("one", "scam", user="bob"), judged("one", "spam", user="ann")], labels=LABELS)
    assert conflicts[0].reason == "'scam' is not a label any more; there are: ham, spam"


@pytest.mark.parametrize(
    ("label", "known", "expected"),
    [("spam", "ham", "conflict"), ("spam", "spam", "spam"), (None, "ham", "conflict"), (None, "spam", "not ham")],
)
def test_the_projects_own_data_are_not_overruled(label: str | None, known: str, expected: str) -> None:
    assert outcome(judged("one", label), known=known) == expected


def test_a_rejection_of_the_label_in_the_data_is_a_conflict_with_any_number_of_labels() -> None:
    assert outcome(judged("one", None, predicted="praise"), labels=THREE, known="praise") == "conflict"
    assert outcome(judged("one", None, predicted="praise"), labels=THREE, known="question") == "not praise"
    _, conflicts = resolve([judged("one", "spam")], labels=LABELS, known={content_id("one"): "ham"})
    assert conflicts[0].reason == "the project's data give this text the label 'ham'; correct it there if it is wrong"


votes = st.builds(
    lambda label, predicted, user, minute: judged("one", label, predicted=predicted, user=user, minutes=minute),
    st.sampled_from([None, *THREE]),
    st.sampled_from(list(THREE)),
    st.sampled_from([None, "a", "b", "c", "d"]),
    st.integers(0, 10**6),
)


@given(st.lists(votes, min_size=1, max_size=8, unique_by=lambda vote: vote.at), st.randoms())
def test_the_order_of_judgements_decides_nothing_and_a_winner_has_more_for_it_than_against(
    judgements, shuffler
) -> None:
    resolved, conflicts = resolve(judgements, labels=THREE)
    again = list(judgements)
    shuffler.shuffle(again)
    assert resolve(again, labels=THREE) == (resolved, conflicts)
    last = {vote.user: vote for vote in sorted(judgements, key=lambda vote: vote.at)}.values()
    for one in resolved:
        assert isinstance(one, Resolved)
        if one.label:
            against = [
                v for v in last if (v.label or one.label) != one.label or (v.label is None and v.predicted == one.label)
            ]
            assert len(one.supporters) > len(against)
