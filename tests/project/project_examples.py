"""A small base model and small labelled files, so that the whole loop runs in seconds."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import torch

HAM = "lunch tomorrow home dinner cat garden book train office meeting coffee kids school walk movie sunday".split()
SPAM = "free prize winner cash claim urgent offer txt award bonus credit deal gift guaranteed ringtone reward".split()
NEW_SPAM = "parcel customs courier depot fee reschedule tracking shipment held postage".split()
PLAIN = "the a my your is at to for and we you please now see later again with on in it will can".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def message(rng: random.Random, words: list[str]) -> str:
    """Eight to fourteen words, half of them telling."""
    picked = rng.choices(words, k=rng.randint(4, 7)) + rng.choices(PLAIN, k=rng.randint(4, 7))
    rng.shuffle(picked)
    return " ".join(picked)


def messages(count: int, words: list[str], *, seed: int) -> list[str]:
    """Different messages of one kind."""
    rng = random.Random(f"{seed} {words[0]}")
    found: dict[str, None] = {}
    while len(found) < count:
        found[message(rng, words)] = None
    return list(found)


def new_kind(count: int, *, seed: int) -> list[str]:
    """Spam of a kind that the data lacks: it reads like ham but for words that nothing else has."""
    rng = random.Random(f"new {seed}")
    found: dict[str, None] = {}
    while len(found) < count:
        words = rng.choices(NEW_SPAM, k=4) + rng.choices(HAM, k=4) + rng.choices(PLAIN, k=5)
        rng.shuffle(words)
        found[" ".join(words)] = None
    return list(found)


def write_messages(path: Path, *, ham: int = 220, spam: int = 220, seed: int = 1) -> Path:
    """A CSV with the columns text and label."""
    rows = [(text, "ham") for text in messages(ham, HAM, seed=seed)]
    rows += [(text, "spam") for text in messages(spam, SPAM, seed=seed)]
    random.Random(seed).shuffle(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    return path


def make_base(folder: Path) -> Path:
    """A BERT of width 48 without training, whose vocabulary is the words above."""
    from enfold import BertConfig, BertModel, Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    words = sorted({*HAM, *SPAM, *NEW_SPAM, *PLAIN})
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join([*SPECIAL, *words, "!", "."]) + "\n", encoding="utf-8")
    Tokenizer.from_pretrained(vocabulary, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(3)
    BertModel(
        BertConfig(
            vocab_size=len(words) + len(SPECIAL) + 2,
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    return folder


def make_project(folder: Path, base: Path, **changes: object) -> Path:
    """A project on a small CSV, with settings under which the small base model learns.

    ``changes`` replace lines of ``enfold.toml`` by key.
    """
    import re

    from rich.console import Console

    from enfold import Project

    write_messages(folder / "messages.csv")
    Project.init(str(folder / "messages.csv"), folder, console=Console(quiet=True))
    settings = folder / "enfold.toml"
    text = settings.read_text(encoding="utf-8")
    wanted = {
        "base": f'"{base}"',
        "epochs": 6,
        "learning_rate": 3e-3,
        "batch_tokens": 256,
        "format": '"none"',
        "resamples": 200,
        **changes,
    }
    for key, value in wanted.items():
        text, count = re.subn(rf"(?m)^{key} = .*?(?=  #)", f"{key} = {value}", text)
        assert count == 1, key
    settings.write_text(text, encoding="utf-8")
    return folder
