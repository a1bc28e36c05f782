"""What is in service, and how it came there."""

import pytest

from enfold.errors import ServiceError
from enfold.project.promotion import ServiceRecord


@pytest.fixture
def record(tmp_path):
    for revision in ("aaa", "bbb", "ccc"):
        (tmp_path / revision).mkdir()
    return ServiceRecord(tmp_path)


def test_before_the_first_promotion_nothing_is_in_service(record):
    assert record.revision() is None
    with pytest.raises(ServiceError, match="no model is in service yet; make one with: enfold run"):
        record.folder()


def test_the_last_promotion_is_in_service_and_all_are_remembered(record):
    record.promote("aaa", reason="first")
    record.promote("bbb", reason="better")
    assert record.revision() == "bbb"
    assert [(step.revision, step.reason) for step in record.history()] == [("aaa", "first"), ("bbb", "better")]


def test_rollbacks_go_back_one_by_one(record):
    for revision in ("aaa", "bbb", "ccc"):
        record.promote(revision, reason="better")
    assert record.rollback().revision == "bbb"
    assert record.rollback().revision == "aaa"
    with pytest.raises(ServiceError, match="nothing to roll back to"):
        record.rollback()


def test_after_a_rollback_a_promotion_counts_from_there(record):
    record.promote("aaa", reason="first")
    record.promote("bbb", reason="better")
    record.rollback()
    record.promote("ccc", reason="better")
    assert record.rollback().revision == "aaa"


def test_a_model_promoted_again_by_hand_can_be_rolled_back(record):
    record.promote("aaa", reason="first")
    record.promote("bbb", reason="better")
    record.promote("aaa", reason="by hand")
    assert record.rollback().revision == "bbb"


def test_an_unknown_model_is_refused_and_the_known_are_named(record):
    with pytest.raises(ServiceError, match=r"no model 'zzz' in .*; there are: aaa, bbb, ccc"):
        record.promote("zzz", reason="by hand")
    assert record.history() == []
