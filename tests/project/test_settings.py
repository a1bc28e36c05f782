"""enfold.toml: read as a whole, written for a person, and every fault reported at once."""

import tomllib

import pytest

from enfold.errors import SettingsError
from enfold.project.settings import check_settings, read_settings, settings_text

MINIMAL = {
    "project": {"name": "mail"},
    "data": {"file": "mail.csv", "text": "text", "label": "label", "labels": ["ham", "spam"]},
}


def test_what_is_written_reads_back_the_same(tmp_path):
    path = tmp_path / "enfold.toml"
    settings = check_settings(
        MINIMAL | {"data": MINIMAL["data"] | {"rename": {"0": "ham"}, "file": 'a "b"\\c\n.csv'}}, source="enfold.toml"
    )
    path.write_text(settings_text(settings), encoding="utf-8")
    again = read_settings(path)
    assert again.data == settings.data
    assert again.model_dump(exclude={"feedback"}) == settings.model_dump(exclude={"feedback"})
    assert again.feedback.held_back == pytest.approx(1 / 3, abs=1e-6)


def test_every_key_stands_in_the_file_with_its_meaning():
    text = settings_text(check_settings(MINIMAL, source="enfold.toml"))
    sections = tomllib.loads(text)
    for section, values in check_settings(MINIMAL, source="x").model_dump().items():
        for key, value in values.items():
            assert key in sections[section] or (value is None and f"# {key} =" in text)
    assert all("  # " in line for line in text.splitlines() if " = " in line and not line.startswith("#"))


def test_an_unknown_key_suggests_the_near_one():
    with pytest.raises(SettingsError) as error:
        check_settings(MINIMAL | {"training": {"epoch": 3}}, source="enfold.toml")
    assert str(error.value) == "enfold.toml: unknown key 'training.epoch'; did you mean 'epochs'?"


def test_an_unknown_key_that_is_near_to_none_lists_those_there_are():
    with pytest.raises(SettingsError, match="unknown key 'model.zzz'; there are: base, max_length"):
        check_settings(MINIMAL | {"model": {"zzz": 3}}, source="enfold.toml")


def test_all_faults_are_listed_at_once():
    faulty = {
        "project": {},
        "data": MINIMAL["data"] | {"train": 0.9},
        "trainning": {},
        "training": {"epochs": 0, "precision": "float8"},
        "serving": {"port": 70_000},
    }
    with pytest.raises(SettingsError) as error:
        check_settings(faulty, source="enfold.toml")
    first, *lines = str(error.value).splitlines()
    assert first == "enfold.toml has 6 faults:"
    assert [line.strip() for line in lines] == [
        "'project.name' is missing",
        "'data': train + validation + test must be 1, they are 1.2",
        "'training.epochs': input should be greater than or equal to 1 (it is 0)",
        "'training.precision': input should be 'float32' or 'bfloat16' (it is 'float8')",
        "'serving.port': input should be less than or equal to 65535 (it is 70000)",
        "unknown key 'trainning'; did you mean 'training'?",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no enfold.toml in .*; make one with: enfold init FILE"),
        (b"[project\n", r"enfold.toml is not valid TOML: .*line 1"),
        (b"name = '\xff'", r"enfold.toml is not UTF-8: invalid byte at 8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, content, message):
    path = tmp_path / "enfold.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_settings(path)


def test_a_new_name_must_be_one_of_the_labels():
    with pytest.raises(SettingsError, match="rename gives the name 'junk', which labels does not list"):
        check_settings(MINIMAL | {"data": MINIMAL["data"] | {"rename": {"1": "junk"}}}, source="enfold.toml")
