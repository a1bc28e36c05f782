"""Each recipe runs on a handful of rows of the shape its data set has, and what it leaves behind can be used."""

from __future__ import annotations

import gzip
import json
import runpy
from pathlib import Path

import pytest

from enfold import pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"


def recipe(name: str):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


# ---- entities -------------------------------------------------------------------------------------------------------

ENGLISH = """Ada B-person
Lovelace I-person
lives O
in O
London B-location
. O

I O
like O
Paris B-location
""".replace(" ", "\t")
CHINESE = """王0 B-PER.NAM
明1 I-PER.NAM
在0 O
北0 B-LOC.NAM
京1 I-LOC.NAM

我0 O
去0 O
上0 B-LOC.NAM
海1 I-LOC.NAM
""".replace(" ", "\t")


@pytest.mark.parametrize(("text", "characters"), [(ENGLISH, False), (CHINESE, True)], ids=["English", "Chinese"])
def test_names_are_found_in_what_was_learned(tmp_path, text, characters, capsys):
    for part in ("train", "test"):
        (tmp_path / f"ner.{part}").write_text(f"{text}\n" * 4, encoding="utf-8")
    main = recipe("ner")["main"]
    scores = main(
        tmp_path,
        characters=characters,
        out=str(tmp_path / "model"),
        num_train_epochs=8,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        disable_tqdm=True,
    )
    assert scores.micro.f1 == 1.0
    assert json.loads(capsys.readouterr().out)["f1"] == 1.0
    found = pipeline("token-classification", str(tmp_path / "model"), aggregation_strategy="first")
    sentence, name = ("王明在北京", "王明") if characters else ("Ada Lovelace lives in London .", "Ada Lovelace")
    assert found([sentence])[0].entities[0].text == name


def test_sentences_of_a_conll_file(tmp_path):
    (tmp_path / "train").write_text(ENGLISH, encoding="utf-8")
    read = recipe("ner")["read_conll"]
    sentences = read(tmp_path / "train")
    assert sentences[1] == (("I", "like", "Paris"), ("O", "O", "B-location"))
    assert len(sentences) == 2
    (tmp_path / "train").write_text(CHINESE, encoding="utf-8")
    assert read(tmp_path / "train", characters=True, limit=1)[0][0] == ("王", "明", "在", "北", "京")


# ---- translation ----------------------------------------------------------------------------------------------------


def pairs_of(folder: Path) -> Path:
    things = [("dog", "Hund"), ("man", "Mann"), ("ball", "Ball"), ("tree", "Baum"), ("car", "Wagen")]
    places = [("garden", "Garten"), ("snow", "Schnee"), ("park", "Park")]
    rows = [(f"A {a} is in the {c}.", f"Ein {b} ist im {d}.") for a, b in things for c, d in places]
    for part in ("train", "val", "test_2016_flickr"):
        for language, lines in zip(("en", "de"), zip(*rows, strict=True), strict=True):
            with gzip.open(folder / f"{part}.{language}.gz", "wt", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def small():
    return {"width": 32, "layers": 1, "vocabulary": 80, "tokens": 128, "rate": 1e-2, "beams": 2, "dropout": 0.0}


def test_a_translator_learns_from_nothing_and_goes_on(tmp_path, small, capsys):
    pytest.importorskip("sacrebleu")
    main = recipe("translate_from_scratch")["main"]
    folder, out = pairs_of(tmp_path), tmp_path / "out"
    main(folder, out=str(out), epochs=2, **small)
    score = main(folder, out=str(out), epochs=2, **small)  # nothing is left to do
    curve = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in curve] == [1.0, 2.0]
    assert {"step", "loss", "bleu", "seconds"} <= curve[0].keys()

    score = main(folder, out=str(tmp_path / "long"), epochs=40, **small)
    assert score.score > 60
    assert "2 beams: BLEU" in capsys.readouterr().out
    told = pipeline("text2text-generation", str(tmp_path / "long"))(["A dog is in the snow."])[0]
    assert told.text.startswith("Ein ")


# ---- language modelling ---------------------------------------------------------------------------------------------


def test_a_language_model_learns_a_book(tmp_path, capsys):
    paragraphs = [f"Once upon a time there was number {number}. It was happy and it was kind." for number in range(80)]
    with gzip.open(tmp_path / "book-en.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join(paragraphs))
    options = {"out": str(tmp_path / "model"), "width": 32, "layers": 1, "context": 32, "vocabulary": 300, "batch": 8}
    found = recipe("language_model")["main"](tmp_path, epochs=12, rate=1e-2, prompt="Once upon", **options)
    assert found.value < 10
    out = capsys.readouterr().out
    assert "bits/byte" in out
    assert "Once upon" in out
    history = json.loads((tmp_path / "model" / "trainer_state.json").read_text())["log_history"]
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    assert len(losses) == 12
    assert losses[-1] < losses[0]


def test_a_folder_without_books_is_said(tmp_path):
    with pytest.raises(SystemExit, match="matches"):
        recipe("language_model")["main"](tmp_path)
