"""Unigram models from SentencePiece files: T5, XLM-R, CamemBERT, ALBERT, DeBERTa-v2, Pegasus, mBART, mBART-50.

Kudo, 2018, "Subword Regularization". Each of these families puts its special tokens at places of its own in the
vocabulary; the fairseq ones put four of them in front of the pieces, where SentencePiece has three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from enfold.errors import CheckpointError
from enfold.text.kinds.kind import Built, File, Given, Kind, cls_sep, template
from enfold.text.kinds.translation import MBART, MBART50, Languages
from enfold.text.options import SPECIAL_NAMES
from enfold.text.sentencepiece_model import PieceModel, PieceType, read_pieces

__all__ = ["KINDS", "declared", "pieces_of"]

_SPACE = "\u2581"
_BLANKS = Regex(r" {2,}")
Scored = list[tuple[str, float]]


def pieces_of(given: Given, algorithm: str) -> PieceModel:
    """The ``.model`` file of a kind.

    Raises:
        CheckpointError: it is damaged, or of the other algorithm.
    """
    file = Path(given.files["vocab_file"])
    model = read_pieces(file)
    if model.algorithm != algorithm:
        raise CheckpointError(f"{file} is a {model.algorithm} model; this kind of tokenizer needs a {algorithm} model")
    return model


def declared(model: PieceModel) -> list[AddedToken]:
    """The pieces a model declares to be control symbols or user-defined: found in texts before these are split."""
    return [
        AddedToken(piece.text, normalized=False, special=piece.type is PieceType.CONTROL)
        for piece in model.of_type(PieceType.CONTROL, PieceType.USER_DEFINED)
    ]


def _engine(scored: Scored, unknown: int, *, prefix: bool, blanks: bool = True) -> tokenizers.Tokenizer:
    """A Unigram engine whose words begin with a mark; ``blanks``: whether any white space separates words."""
    engine = tokenizers.Tokenizer(models.Unigram(scored, unk_id=unknown, byte_fallback=False))
    scheme = "always" if prefix else "never"
    words = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme=scheme)
    engine.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words]) if blanks else words
    engine.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme=scheme)
    return engine


def _mapped(model: PieceModel) -> list[Any]:
    return [normalizers.Precompiled(model.charsmap)] if model.charsmap else []


def _fairseq(given: Given, model: PieceModel, roles: Sequence[str], end: Sequence[str]) -> Scored:
    """Four special tokens, the pieces from the fourth on, and what comes at the end."""
    front = [(given.special[role], 0.0) for role in roles]
    return [*front, *model.scored[3:], *((token, 0.0) for token in end)]


def _t5(given: Given) -> Built:
    """Raffel et al., 2020: sentinels for blanks in a text, the last with the lowest id."""
    model = pieces_of(given, "unigram")
    count = int(given.rules["extra_ids"])
    sentinels = [f"<extra_id_{number}>" for number in range(count)]
    engine = _engine([*model.scored, *((token, 0.0) for token in reversed(sentinels))], model.unk_id, prefix=True)
    if model.charsmap:
        engine.normalizer = normalizers.Precompiled(model.charsmap)
    return Built(engine, [*declared(model), *sentinels])


def _eos_after_each(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    eos = special["eos_token"]
    return template(engine, ["$A", eos], ["$A", eos, "$B", eos])


def _eos_at_the_end(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    eos = special["eos_token"]
    return template(engine, ["$A", eos], ["$A", "$B", eos])


def _bos_eos_eos(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """``<s> A </s>``, ``<s> A </s></s> B </s>``, all of type 0."""
    bos, eos = special["bos_token"], special["eos_token"]
    return template(engine, [bos, "$A", eos], [bos, "$A", eos, eos, "$B", eos])


def _xlm_roberta(given: Given) -> Built:
    """Conneau et al., 2020."""
    model = pieces_of(given, "unigram")
    roles = ("bos_token", "pad_token", "eos_token", "unk_token")
    scored = _fairseq(given, model, roles, [given.special["mask_token"]])
    engine = _engine(scored, 3, prefix=bool(given.rules["add_prefix_space"]))
    if model.charsmap:
        engine.normalizer = normalizers.Precompiled(model.charsmap)
    return Built(engine, declared(model))


def _camembert(given: Given) -> Built:
    """Martin et al., 2020: fairseq's dictionary in front of SentencePiece's, which is why some tokens are not used."""
    model = pieces_of(given, "unigram")
    special = given.special
    scored = [
        ("<s>NOTUSED", 0.0),
        (special["pad_token"], 0.0),
        ("</s>NOTUSED", 0.0),
        (special["unk_token"], 0.0),
        ("<unk>NOTUSED", -100.0),
        *model.scored[1:],
        (special["mask_token"], 0.0),
    ]
    engine = _engine(scored, 3, prefix=bool(given.rules["add_prefix_space"]))
    if model.charsmap:
        engine.normalizer = normalizers.Precompiled(model.charsmap)
    return Built(engine, declared(model))


def _albert(given: Given) -> Built:
    """Lan et al., 2020: typewriter quotes, accents gone unless ``keep_accents``, lower case."""
    model = pieces_of(given, "unigram")
    engine = _engine(model.scored, model.unk_id, prefix=bool(given.rules["add_prefix_space"]))
    steps: list[Any] = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not given.rules["keep_accents"]:
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if given.rules["do_lower_case"]:
        steps.append(normalizers.Lowercase())
    engine.normalizer = normalizers.Sequence([*steps, *_mapped(model)])
    return Built(engine, declared(model))


def _deberta(given: Given) -> Built:
    """He et al., 2021. The character map of the file is not used: texts are composed (NFC) instead."""
    model = pieces_of(given, "unigram")
    unknown = model.ids.get(given.special["unk_token"], model.unk_id)
    scheme = "always" if given.rules["add_prefix_space"] else "first"
    engine = tokenizers.Tokenizer(models.Unigram(model.scored, unk_id=unknown, byte_fallback=False))
    engine.normalizer = normalizers.Sequence(
        [
            *([normalizers.Lowercase()] if given.rules["do_lower_case"] else []),
            normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "),
            normalizers.NFC(),
            normalizers.Strip(left=False, right=True),
        ]
    )
    punctuation = [pre_tokenizers.Punctuation(behavior="isolated")] if given.rules["split_by_punct"] else []
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [*punctuation, pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme=scheme)]
    )
    engine.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme=scheme)
    return Built(engine, declared(model))


def _pegasus(given: Given) -> Built:
    """Zhang et al., 2020: two masks and some unused tokens in front; the pieces follow ``offset`` tokens later."""
    model = pieces_of(given, "unigram")
    special, offset = given.special, int(given.rules["offset"])
    sentences = given.rules["mask_token_sent"]
    unused = [f"<unk_{number}>" for number in range(2, offset)]
    front = [special["pad_token"], special["eos_token"], sentences, special.get("mask_token")]
    scored = [
        *((token, 0.0) for token in front if token),
        *((token, -100.0) for token in unused),
        *model.scored[2:],
    ]
    ids = {piece: number for number, (piece, _) in enumerate(scored)}
    if special["unk_token"] not in ids:
        raise CheckpointError(f"{given.files['vocab_file']} lacks the piece {special['unk_token']!r}")
    engine = _engine(scored, ids[special["unk_token"]], prefix=True, blanks=False)
    first = _mapped(model) or [normalizers.Replace(Regex(r"\n"), " ")]
    engine.normalizer = normalizers.Sequence([*first, normalizers.Replace(_BLANKS, " ")])
    return Built(engine, [*([sentences] if sentences else []), *unused])


def _mbart(given: Given) -> Built:
    """Liu et al., 2020. The character map of the file is not used."""
    model = pieces_of(given, "unigram")
    roles = ("bos_token", "pad_token", "eos_token", "unk_token")
    engine = _engine(_fairseq(given, model, roles, [*MBART, given.special["mask_token"]]), 3, prefix=True)
    return Built(engine, [*MBART, *declared(model)])


def _mbart50(given: Given) -> Built:
    """Tang et al., 2020."""
    model = pieces_of(given, "unigram")
    roles = ("cls_token", "pad_token", "eos_token", "unk_token")
    scored = _fairseq(given, model, roles, [*MBART50, given.special["mask_token"]])
    engine = _engine(scored, 3, prefix=True, blanks=False)
    engine.normalizer = normalizers.Sequence([*_mapped(model), normalizers.Replace(_BLANKS, " ")])
    return Built(engine, [*declared(model), *MBART50])


def _marked(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """Nothing by itself: the language decides what stands around a text."""


def _file(name: str) -> tuple[File, ...]:
    return (File("vocab_file", (name,), also=("vocab",)),)


_SPIECE, _BPE = _file("spiece.model"), _file("sentencepiece.bpe.model")
_XLMR = dict(zip(SPECIAL_NAMES, ("<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"), strict=True))
_CLS = dict(zip(SPECIAL_NAMES, ("[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"), strict=True))
_LEFT = {"lstrip": True}

KINDS = (
    Kind(
        "T5Tokenizer",
        _SPIECE,
        _t5,
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
        _eos_after_each,
        rules={"extra_ids": 100},
        model_types=("t5", "mt5"),
    ),
    Kind(
        "XLMRobertaTokenizer",
        _BPE,
        _xlm_roberta,
        _XLMR,
        _bos_eos_eos,
        rules={"add_prefix_space": True},
        model_types=("xlm-roberta",),
    ),
    Kind(
        "CamembertTokenizer",
        _BPE,
        _camembert,
        _XLMR,
        _bos_eos_eos,
        flags={"mask_token": _LEFT},
        rules={"add_prefix_space": True},
        model_types=("camembert",),
    ),
    Kind(
        "AlbertTokenizer",
        _SPIECE,
        _albert,
        _CLS,
        cls_sep,
        rules={"do_lower_case": True, "keep_accents": False, "add_prefix_space": True},
        model_types=("albert",),
    ),
    Kind(
        "DebertaV2Tokenizer",
        _file("spm.model"),
        _deberta,
        {**_CLS, "unk_token": "[UNK]", "pad_token": "[PAD]"},
        cls_sep,
        rules={"do_lower_case": False, "split_by_punct": False, "add_prefix_space": True},
        model_types=("deberta-v2",),
        model_input_names=("input_ids", "attention_mask", "token_type_ids"),
    ),
    Kind(
        "PegasusTokenizer",
        _SPIECE,
        _pegasus,
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask_2>"},
        _eos_at_the_end,
        rules={"mask_token_sent": "<mask_1>", "offset": 103},
        model_types=("pegasus",),
    ),
    Kind(
        "MBartTokenizer",
        _BPE,
        _mbart,
        _XLMR,
        _marked,
        flags={"mask_token": _LEFT},
        languages=Languages(MBART, "en_XX", in_front=False),
        model_types=("mbart",),
    ),
    Kind(
        "MBart50Tokenizer",
        _BPE,
        _mbart50,
        {role: token for role, token in _XLMR.items() if role != "bos_token"},
        _marked,
        flags={"mask_token": _LEFT},
        languages=Languages(MBART50, "en_XX", in_front=True),
    ),
)
