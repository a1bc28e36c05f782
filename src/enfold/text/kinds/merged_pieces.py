"""Byte-pair encoding over SentencePiece pieces: Llama, Gemma, NLLB.

The ``.model`` file lists pieces, not merges; a piece that stands earlier is put together earlier. What no piece covers
becomes its bytes, where the vocabulary has them.
"""

from __future__ import annotations

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from enfold.text.kinds.kind import Built, File, Given, Kind, bos_eos
from enfold.text.kinds.translation import NLLB, Languages
from enfold.text.kinds.unigram import declared, pieces_of
from enfold.text.sentencepiece_model import merges_of

__all__ = ["KINDS", "gemma_engine", "llama_engine"]

_SPACE = "\u2581"


def llama_engine(
    ids: dict[str, int], merges: list[tuple[str, str]], *, prefix: bool, legacy: bool
) -> tokenizers.Tokenizer:
    """Llama's splitting (Touvron et al., 2023): a text is one word, with a blank in front.

    Args:
        ids: piece to id.
        merges: in their order.
        prefix: whether a blank is put in front of texts.
        legacy: whether one is put behind every special token, too, as the first versions did.
    """
    engine = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=merges, fuse_unk=True, byte_fallback=True))
    scheme = ("always" if legacy else "first") if prefix else "never"
    engine.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme=scheme, split=False)
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, *([decoders.Strip(content=" ", left=1)] if prefix else [])])
    return engine


def gemma_engine(ids: dict[str, int], merges: list[tuple[str, str]], unknown: str) -> tokenizers.Tokenizer:
    """Gemma's splitting (Gemma Team, 2024): blanks are marked and nothing is put in front."""
    engine = tokenizers.Tokenizer(
        models.BPE(vocab=ids, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    engine.normalizer = normalizers.Replace(" ", _SPACE)
    engine.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    engine.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return engine


def _llama(given: Given) -> Built:
    model = pieces_of(given, "bpe")
    rules = given.rules
    prefix = rules["add_prefix_space"] is not False
    engine = llama_engine(model.ids, merges_of(model.ids), prefix=prefix, legacy=bool(rules["legacy"]))
    return Built(engine, declared(model))


def _gemma(given: Given) -> Built:
    model = pieces_of(given, "bpe")
    return Built(gemma_engine(model.ids, merges_of(model.ids), given.special["unk_token"]), declared(model))


def _nllb(given: Given) -> Built:
    """Costa-jussà et al., 2022: fairseq's four tokens, the pieces, the languages, and the mask at the end."""
    model = pieces_of(given, "bpe")
    special = given.special
    front = [special[role] for role in ("bos_token", "pad_token", "eos_token", "unk_token")]
    ids: dict[str, int] = {}
    for piece in (*front, *model.ids):
        ids.setdefault(piece, len(ids))
    engine = tokenizers.Tokenizer(
        models.BPE(vocab=ids, merges=merges_of(model.ids), unk_token=special["unk_token"], fuse_unk=True)
    )
    if model.charsmap:
        engine.normalizer = normalizers.Sequence(
            [normalizers.Precompiled(model.charsmap), normalizers.Replace(Regex(r" {2,}"), " ")]
        )
    engine.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always", split=True)
    engine.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always", split=True)
    engine.add_tokens([tokenizers.AddedToken(code, special=True) for code in given.extra or NLLB])
    return Built(engine, NLLB)


_FILES = (File("vocab_file", ("tokenizer.model",), also=("vocab",)),)
_ENDS = {"add_bos_token": False, "add_eos_token": False}

KINDS = (
    Kind(
        "LlamaTokenizer",
        _FILES,
        _llama,
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        bos_eos,
        rules={"legacy": False, "add_prefix_space": None, **_ENDS},
        model_types=("llama", "mistral"),
        padding_side="left",
    ),
    Kind(
        "GemmaTokenizer",
        _FILES,
        _gemma,
        {
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
        bos_eos,
        rules=_ENDS,
        model_types=("gemma",),
        padding_side="left",
    ),
    Kind(
        "NllbTokenizer",
        (File("vocab_file", ("sentencepiece.bpe.model",), also=("vocab",)),),
        _nllb,
        {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "cls_token": "<s>",
            "mask_token": "<mask>",
        },
        lambda engine, special, rules: None,
        flags={"mask_token": {"lstrip": True, "normalized": True}},
        rules={"legacy_behaviour": False},
        languages=Languages(NLLB, "eng_Latn", in_front=True),
    ),
)
