"""The class names users know. There is one tokenizer; a table of kinds says what each name opens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from enfold.errors import near
from enfold.text.kinds import KINDS, Kind, kind_of_class
from enfold.text.kinds.assembly import assemble
from enfold.text.options import TokenizerOptions
from enfold.text.tokenizer import Tokenizer

__all__ = ["TOKENIZER_NAMES", "AutoTokenizer", "BertTokenizer", "tokenizer_class"]

AutoTokenizer = Tokenizer
"""`AutoTokenizer.from_pretrained` finds the kind from the files, as `Tokenizer.from_pretrained` does."""

TOKENIZER_NAMES = tuple(sorted(name for kind in KINDS.values() for name in kind.class_names))
"""The names `tokenizer_class` knows."""


class _FromFiles(Tokenizer):
    """A tokenizer of one kind, from the files of that kind.

    Args:
        files: the files, or what they hold, in the order of the kind; or by name.
        settings: special tokens (``cls_token="[CLS]"``), the settings of the kind, and any option of a tokenizer.

    Raises:
        TypeError: a file is missing, or an argument is not known.
        CheckpointError: a file cannot be read.
        InputError: an option that is not known, or a language the tokenizer does not have.
    """

    def __init__(self, *files: str | Path | Mapping[str, int], **settings: Any) -> None:
        kind = type(self)._kind
        assert kind is not None
        found = _files(kind, files, settings)
        _check(kind, settings)
        engine, options = assemble(kind, found, settings, where=f"this {kind.name}")
        self._take(engine, options)


def _files(kind: Kind, files: tuple[Any, ...], settings: dict[str, Any]) -> dict[str, Any]:
    """The files among the arguments of a constructor, by name; they are taken out of the settings."""
    if len(files) > len(kind.files):
        raise TypeError(f"{kind.name} takes {len(kind.files)} files, not {len(files)}")
    found = dict(zip((file.argument for file in kind.files), files, strict=False))
    for file in kind.files:
        for name in (file.argument, *file.also):
            value = settings.pop(name, None)
            if value is not None:
                found[file.argument] = value
    missing = [file for file in kind.files if not file.optional and found.get(file.argument) is None]
    if missing:
        needed = ", ".join(f"{file.argument} ({' or '.join(file.names)})" for file in missing)
        raise TypeError(
            f"{kind.name} needs a vocabulary: {needed}; or use {kind.name}.from_pretrained with a folder that has them"
        )
    return {
        name: Path(value) if isinstance(value, str) else value for name, value in found.items() if value is not None
    }


def _check(kind: Kind, settings: Mapping[str, Any]) -> None:
    known = sorted({*TokenizerOptions.names(), *kind.rules, "additional_special_tokens", "max_len"})
    for name in settings:
        if name not in known:
            raise TypeError(f"{kind.name} takes no {name!r}; it takes: {', '.join(known)}{near(name, known)}")


@cache
def _class(kind: Kind) -> type[Tokenizer]:
    files = ", ".join(f"``{file.names[0]}``" for file in kind.files)
    text = f"{kind.name}: a tokenizer from {files}, or from ``tokenizer.json``; see `Tokenizer`."
    return type(kind.name, (_FromFiles,), {"__doc__": text, "__module__": "enfold.text", "_kind": kind})


def tokenizer_class(name: str) -> type[Tokenizer] | None:
    """The class behind a name such as ``BertTokenizerFast``; ``None`` when there is none."""
    if name in ("AutoTokenizer", "PreTrainedTokenizerFast", "PreTrainedTokenizer", "TokenizersBackend"):
        return Tokenizer
    kind = kind_of_class(name)
    return None if kind is None else _class(kind)


BertTokenizer: type[Tokenizer] = _class(KINDS["BertTokenizer"])
