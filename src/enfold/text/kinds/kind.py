"""What a kind of tokenizer is: its files, its special tokens, its settings, and how an engine is built from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, processors

from enfold.errors import CheckpointError
from enfold.text.engine import Engine
from enfold.text.kinds.translation import Languages
from enfold.text.options import UNLIMITED, Side
from enfold.text.steps import Steps

__all__ = ["Built", "File", "Given", "Kind", "Roles", "bos_eos", "cls_sep", "named", "template"]


@dataclass(frozen=True, slots=True)
class File:
    """One file that a kind is read from."""

    argument: str
    """What the constructor calls it."""
    names: tuple[str, ...]
    """The names it goes by in a folder; the first that is there counts."""
    also: tuple[str, ...] = ()
    """Other names of the argument."""
    optional: bool = False


class Roles(dict[str, str]):
    """Special tokens by role; asking for one that is not there says so."""

    def __missing__(self, role: str) -> str:
        raise CheckpointError(f"this kind of tokenizer needs a {role}, but its configuration says that there is none")


@dataclass(frozen=True)
class Given:
    """What an engine is built from: files by argument, special tokens by role, settings by name."""

    files: Mapping[str, Any]
    special: Mapping[str, str]
    rules: Mapping[str, Any]
    extra: tuple[str, ...] = ()
    """Special tokens without a role that the configuration names."""


@dataclass
class Built:
    """What building made: an engine that may still be given tokens, and what else belongs to it."""

    engine: tokenizers.Tokenizer
    extra: Sequence[str | AddedToken] = ()
    """Special tokens without a role, where the configuration names none."""
    steps: Steps | None = None
    target: Engine | None = None
    without: tuple[str, ...] = ()
    """Roles whose token the vocabulary lacks and need not have."""


@dataclass(frozen=True)
class Kind:
    """One kind of tokenizer. A table of these takes the place of a class for each model family.

    Args:
        name: the class by which `transformers` opens it.
        files: the files it is read from where there is no ``tokenizer.json``.
        build: makes the engine.
        special: the special tokens by role, unless the configuration says otherwise.
        around: makes the post-processor that puts special tokens around texts.
        flags: how the special token of a role is found in a text (``lstrip``, ``normalized``), beside the default.
        rules: settings that change how texts are split, and their defaults.
        languages: how texts are marked with their language.
        outside: whether part of it is done beside the engine; such a tokenizer is read from its own files, and saved as
            these, because a ``tokenizer.json`` could not hold it.
        also: further class names.
        model_types: the model types whose checkpoints have it, unless they say otherwise.
    """

    name: str
    files: tuple[File, ...]
    build: Callable[[Given], Built]
    special: Mapping[str, str]
    around: Callable[[tokenizers.Tokenizer, Mapping[str, str], Mapping[str, Any]], Any]
    flags: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    languages: Languages | None = None
    outside: bool = False
    also: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()
    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")
    padding_side: Side = "right"
    model_max_length: int = UNLIMITED

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Every name of its class, with those of the time when fast tokenizers had classes of their own."""
        names = (self.name, *self.also)
        return (*names, *(f"{name}Fast" for name in names))

    def files_in(self, folder: Path) -> dict[str, Path] | None:
        """Its files in a folder by argument; ``None`` when one that it needs is missing."""
        found: dict[str, Path] = {}
        for file in self.files:
            path = next((folder / name for name in file.names if (folder / name).is_file()), None)
            if path is not None:
                found[file.argument] = path
            elif not file.optional:
                return None
        return found

    @property
    def looked_for(self) -> str:
        """Its files, for a message."""
        needed = [" or ".join(file.names) for file in self.files if not file.optional]
        return " with ".join(needed)


def named(engine: tokenizers.Tokenizer, token: str) -> tuple[str, int]:
    """A special token and its id."""
    number = engine.token_to_id(token)
    if number is None:
        raise CheckpointError(f"the special token {token!r} is not in the vocabulary")
    return token, number


def template(engine: tokenizers.Tokenizer, single: Sequence[str], pair: Sequence[str]) -> processors.TemplateProcessing:
    """A post-processor from pieces such as ``"<s>:0"`` and ``"$A:0"``; where no type is given it is 0.

    Special tokens that the vocabulary lacks are left out.
    """
    tokens: dict[str, int | None] = {}
    for piece in (*single, *pair):
        name = piece[:-2] if piece[-2:] in (":0", ":1") else piece
        if name not in ("$A", "$B"):
            tokens[name] = engine.token_to_id(name)

    def there(pieces: Sequence[str]) -> list[str]:
        kept = []
        for piece in pieces:
            name, kind = (piece[:-2], piece[-1]) if piece[-2:] in (":0", ":1") else (piece, "0")
            if name in ("$A", "$B") or tokens[name] is not None:
                kept.append(f"{name}:{kind}")
        return kept

    known = [(name, number) for name, number in tokens.items() if number is not None]
    return processors.TemplateProcessing(single=there(single), pair=there(pair), special_tokens=known)


def cls_sep(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """``[CLS] A [SEP]``, ``[CLS] A [SEP] B [SEP]``, the second text of type 1."""
    cls, sep = special.get("cls_token"), special.get("sep_token")
    if not cls or not sep:
        return None
    return template(
        engine,
        [f"{cls}:0", "$A:0", f"{sep}:0"],
        [f"{cls}:0", "$A:0", f"{sep}:0", "$B:1", f"{sep}:1"],
    )


def bos_eos(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """The bos and eos tokens that ``add_bos_token`` and ``add_eos_token`` ask for; by themselves none."""
    bos = special.get("bos_token") if rules.get("add_bos_token") else None
    eos = special.get("eos_token") if rules.get("add_eos_token") else None
    single = [*([f"{bos}:0"] if bos else []), "$A:0", *([f"{eos}:0"] if eos else [])]
    second = [*([f"{bos}:1"] if bos else []), "$B:1", *([f"{eos}:1"] if eos else [])]
    return template(engine, single, [*single, *second])
