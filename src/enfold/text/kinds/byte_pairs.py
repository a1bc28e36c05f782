"""Byte-pair encoding over bytes: GPT-2, RoBERTa and BART, Blenderbot, GPT-NeoX, Qwen2.

Radford et al., 2019, "Language Models are Unsupervised Multitask Learners", section 2.2: every byte has a letter, so
that any text can be written with a vocabulary of symbols that are merged in a fixed order (Sennrich et al., 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from enfold.errors import CheckpointError
from enfold.text.kinds.kind import Built, File, Given, Kind, bos_eos, named
from enfold.text.kinds.vocabulary_files import read_ids, read_merges

__all__ = ["KINDS", "QWEN2_SPLIT", "byte_pair_model"]

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where Qwen2 splits a text before merging: every digit by itself."""


def byte_pair_model(ids: Mapping[str, int], merges: list[tuple[str, str]], where: str) -> models.BPE:
    """A model of byte pairs.

    Raises:
        CheckpointError: a merge names a symbol that the vocabulary lacks.
    """
    for number, (left, right) in enumerate(merges, start=1):
        for symbol in (left, right, left + right):
            if symbol not in ids:
                raise CheckpointError(
                    f"{where}: merge {number} ({left!r}, {right!r}) needs {symbol!r}, which the vocabulary lacks"
                )
    return models.BPE(
        vocab=dict(ids),
        merges=merges,
        continuing_subword_prefix="",
        end_of_word_suffix="",
        fuse_unk=False,
    )


def _build(given: Given) -> Built:
    source, merges = given.files["vocab_file"], given.files["merges_file"]
    where = str(merges) if isinstance(merges, (str, Path)) else "the merges"
    engine = tokenizers.Tokenizer(byte_pair_model(read_ids(source), read_merges(merges), where))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=bool(given.rules.get("add_prefix_space")))
    engine.decoder = decoders.ByteLevel()
    return Built(engine)


def _neox(given: Given) -> Built:
    built = _build(given)
    built.engine.normalizer = normalizers.NFC()
    return built


def _qwen2(given: Given) -> Built:
    built = _neox(given)
    prefix = bool(given.rules.get("add_prefix_space"))
    built.engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False),
        ]
    )
    return built


def _roberta(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """``<s> A </s>``, ``<s> A </s></s> B </s>``; offsets leave out the blank that a token begins with."""
    sep, cls = named(engine, special["sep_token"]), named(engine, special["cls_token"])
    return processors.RobertaProcessing(
        sep, cls, trim_offsets=bool(rules["trim_offsets"]), add_prefix_space=bool(rules["add_prefix_space"])
    )


_FILES = (File("vocab_file", ("vocab.json",), also=("vocab",)), File("merges_file", ("merges.txt",), also=("merges",)))
_END = "<|endoftext|>"
_ENDS = {"add_bos_token": False, "add_eos_token": False}
_ROBERTA = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}

KINDS = (
    Kind(
        "GPT2Tokenizer",
        _FILES,
        _build,
        {"bos_token": _END, "eos_token": _END, "unk_token": _END},
        bos_eos,
        rules={"add_prefix_space": False, **_ENDS},
        model_types=("gpt2", "gpt_neo", "gptj", "opt"),
    ),
    Kind(
        "RobertaTokenizer",
        _FILES,
        _build,
        _ROBERTA,
        _roberta,
        rules={"add_prefix_space": False, "trim_offsets": True},
        also=("BartTokenizer",),
        model_types=("roberta", "bart"),
    ),
    Kind(
        "BlenderbotTokenizer",
        _FILES,
        _build,
        _ROBERTA,
        bos_eos,
        flags={"mask_token": {"lstrip": True}},
        rules={"add_prefix_space": True, **_ENDS},
        model_types=("blenderbot",),
    ),
    Kind(
        "GPTNeoXTokenizer",
        _FILES,
        _neox,
        {"bos_token": _END, "eos_token": _END, "unk_token": _END, "pad_token": "<|padding|>"},
        bos_eos,
        rules={"add_prefix_space": False, "trim_offsets": True, **_ENDS},
        model_types=("gpt_neox",),
    ),
    Kind(
        "Qwen2Tokenizer",
        _FILES,
        _qwen2,
        {"eos_token": _END, "unk_token": _END, "pad_token": _END},
        bos_eos,
        rules={"add_prefix_space": False, **_ENDS},
        model_types=("qwen2", "qwen3"),
    ),
)
