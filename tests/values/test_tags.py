"""Tags and the stretches they mark."""

import pytest

from enfold.errors import LabelError
from enfold.values import LabelSet, TagScheme

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", *(f"{mark}-{kind}" for kind in ("PER", "LOC") for mark in "BIES")]


def runs(labels: list[str], tags: str) -> list[tuple[int, int, str]]:
    return [tuple(run) for run in TagScheme.of(labels).runs(tags.split())]


@pytest.mark.parametrize(
    ("labels", "tags", "expected"),
    [
        (BIO, "B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        (BIO, "B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        (BIO, "O O", []),
        (BIO, "", []),
        (BIO, "I-PER I-PER", [(0, 2, "PER")]),
        (BIO, "B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
        (BIO, "B-PER O I-PER", [(0, 1, "PER"), (2, 3, "PER")]),
        (BIOES, "B-PER I-PER E-PER S-PER", [(0, 3, "PER"), (3, 4, "PER")]),
        (BIOES, "E-PER E-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        (BIOES, "S-LOC I-LOC", [(0, 1, "LOC"), (1, 2, "LOC")]),
        (["O", "I-PER", "I-LOC"], "I-PER I-PER I-LOC", [(0, 2, "PER"), (2, 3, "LOC")]),
        (["O", "PER", "LOC"], "PER PER O LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        (["NOUN", "VERB"], "NOUN NOUN VERB", [(0, 2, "NOUN"), (2, 3, "VERB")]),
        (["O", "B-PER", "M-PER", "E-PER", "S-PER"], "B-PER M-PER E-PER S-PER", [(0, 3, "PER"), (3, 4, "PER")]),
        (["O", "B-PER", "I-PER", "L-PER", "U-PER"], "U-PER B-PER L-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        (["O", "B_PER", "I_PER"], "B_PER I_PER", [(0, 2, "PER")]),
        (["O", "B-PER.NAM", "I-PER.NAM", "B-a-b"], "B-PER.NAM I-PER.NAM B-a-b", [(0, 2, "PER.NAM"), (2, 3, "a-b")]),
    ],
)
def test_the_stretches_a_row_of_tags_marks(labels: list[str], tags: str, expected: list):
    assert runs(labels, tags) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (BIO, "B-PER I-PER I-PER B-PER O B-LOC"),
        (BIOES, "B-PER I-PER E-PER S-PER O S-LOC"),
        (["O", "I-PER", "I-LOC"], "I-PER I-PER I-PER I-PER O I-LOC"),
        (["O", "PER", "LOC"], "PER PER PER PER O LOC"),
        (["O", "B-PER", "B-LOC"], "B-PER B-PER B-PER B-PER O B-LOC"),
    ],
)
def test_stretches_are_tagged_with_the_marks_there_are(labels: list[str], expected: str):
    stretches = [(0, 3, "PER"), (3, 4, "PER"), (5, 6, "LOC")]
    assert TagScheme.of(labels).tags(stretches, 6) == expected.split()


def test_tags_and_stretches_are_opposites():
    for labels in (BIO, BIOES):
        scheme = TagScheme.of(labels)
        stretches = [(0, 1, "LOC"), (1, 4, "PER"), (4, 6, "PER"), (7, 8, "LOC")]
        assert [tuple(run) for run in scheme.runs(scheme.tags(stretches, 9))] == stretches


def test_a_label_set_keeps_its_types_in_order():
    scheme = TagScheme.of(LabelSet(("O", "B-ZOO", "B-ART")))
    assert (scheme.types, scheme.marked, scheme.outside) == (("ZOO", "ART"), True, True)


def test_a_further_piece_goes_on():
    scheme = TagScheme.of(BIOES)
    assert [scheme.going_on(tag) for tag in ("O", "B-PER", "I-PER", "E-PER", "S-LOC")] == [
        "O",
        "I-PER",
        "I-PER",
        "E-PER",
        "I-LOC",
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["LABEL_0", "LABEL_1"], "the labels have no names (LABEL_0, LABEL_1…)"),
        (["O", "B-PER", "LOC"], "some labels carry a mark (B-PER) and some do not (LOC): use B-TYPE and I-TYPE"),
        (["B-PER", "I-PER"], "the labels B-PER, I-PER need an 'O' beside them"),
        (["O", "E-PER"], "the labels end 'PER' but never begin it: add B-PER or I-PER"),
        (["O"], "no label marks a stretch; there are only: O"),
        ([], "no label marks a stretch; there are only: none"),
    ],
)
def test_labels_that_are_no_tags_are_refused(labels: list[str], message: str):
    with pytest.raises(LabelError) as error:
        TagScheme.of(labels)
    assert message in str(error.value)


def test_stretches_that_cannot_be_tagged_are_refused():
    scheme = TagScheme.of(BIO)
    with pytest.raises(LabelError, match="no label for the type 'ORG'; there are types: PER, LOC"):
        scheme.tags([(0, 1, "ORG")], 2)
    with pytest.raises(LabelError, match="two stretches overlap at place 1: I-PER and LOC"):
        scheme.tags([(0, 2, "PER"), (1, 3, "LOC")], 3)
    with pytest.raises(LabelError, match="place 1 is in no stretch, and the labels have no 'O'"):
        TagScheme.of(["NOUN", "VERB"]).tags([(0, 1, "NOUN")], 2)
