"""SentencePiece pieces with ids from a file of their own: Marian and M2M100.

Their reference is the SentencePiece library itself, so normalising and decoding follow it outside the engine (see
`enfold.text.sentencepiece_rules`). In the engine, a Unigram or byte-pair model over the pieces has each piece at the id
that ``vocab.json`` gives it. A piece the file lacks takes part in splitting as before and then is unknown; a token that
is no piece stands in the model under a name that no text can hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

from enfold.errors import CheckpointError, InputError, near
from enfold.text.alignment import Aligned
from enfold.text.engine import Engine
from enfold.text.kinds.kind import Built, File, Given, Kind, named, template
from enfold.text.kinds.translation import M2M100, WMT21, Languages
from enfold.text.kinds.vocabulary_files import read_ids
from enfold.text.sentencepiece_model import PieceModel, PieceType, merges_of, read_pieces
from enfold.text.sentencepiece_rules import SPACE, SentencePieceDecoder, SentencePieceNormalizer
from enfold.text.steps import Steps

__all__ = ["KINDS"]

_CODE = re.compile(r">>.*?<<", re.DOTALL)
_MARK, _OTHER = "\ue000", "\ue001"
"""Private characters. The first stands before a code that is a token, and by itself for a code that is unknown."""


@dataclass(frozen=True)
class _MarianPreparation:
    """A language code in front of a text (``>>fr<<``) is one token; the rest is SentencePiece's."""

    prepare: _Preparation
    codes: frozenset[str] = field(repr=False)

    def __call__(self, text: str) -> Aligned:
        match = _CODE.match(text)
        if match is None:
            return self._rest(text, 0)
        code, end = match.group(), match.end()
        marked = _MARK + code if code in self.codes else _MARK
        count = len(marked)
        return Aligned.joined([Aligned(marked, [0] * count, [end] * count), self._rest(text[end:], end)])

    def _rest(self, text: str, start: int) -> Aligned:
        # Nobody else may write the mark: another character of which nothing is known takes its place.
        return self.prepare(text.replace(_MARK, _OTHER)).shifted(start)


@dataclass(frozen=True)
class _MarianJoin:
    """Special tokens stand by themselves, a blank after each."""

    decode: SentencePieceDecoder
    special: frozenset[str]

    def __call__(self, tokens: Sequence[str]) -> str:
        written, pieces = "", list[str]()
        for token in tokens:
            if token in self.special:
                written += self.decode(pieces) + token + " "
                pieces = []
            else:
                pieces.append(token)
        return (written + self.decode(pieces)).replace("\u2581", " ").strip()


@dataclass(frozen=True)
class _M2M100Join:
    """Special tokens stand between what the pieces before and after them make."""

    decode: SentencePieceDecoder
    special: frozenset[str]

    def __call__(self, tokens: Sequence[str]) -> str:
        written, pieces = "", list[str]()
        for token in tokens:
            if token in self.special:
                written += self.decode(pieces) + token
                pieces = []
            else:
                pieces.append(token)
        return (written + self.decode(pieces)).strip()


def _mapped_engine(
    model: PieceModel, ids: Mapping[str, int], unknown: str, *, kept: Iterable[str], hidden: str = " "
) -> tuple[tokenizers.Tokenizer, dict[int, int]]:
    """An engine over pieces at the ids of a vocabulary, and the ids of what that lacks, which become unknown.

    Args:
        model: the pieces.
        ids: the vocabulary.
        unknown: the unknown token.
        kept: tokens that keep their names, though they are no pieces: the special ones.
        hidden: what stands before the names of the other tokens that are no pieces, and in no text the engine sees.
    """
    matched = {
        piece.text: piece.score for piece in model.of_type(PieceType.NORMAL, PieceType.USER_DEFINED, PieceType.BYTE)
    }
    named = {number: token for token, number in ids.items()}
    kept = set(kept)
    tokens = [(named.get(number), number) for number in range(max(named, default=-1) + 1)]
    entries: list[tuple[str, float]] = []
    for token, number in tokens:
        if token is None:
            entries.append((f"{hidden}{number}", 0.0))
        elif token in matched or token in kept:
            entries.append((token, matched.get(token, 0.0)))
        else:
            entries.append((hidden + token, 0.0))
    missing = [(piece, score) for piece, score in matched.items() if piece not in ids]
    aliases = {len(entries) + index: ids[unknown] for index in range(len(missing))}
    entries += missing
    engine = tokenizers.Tokenizer(_algorithm(model, entries, ids[unknown]))
    if SentencePieceNormalizer.of(model).is_usual:
        # Prepared texts have their blanks; the engine marks them, and a text stays as it is for most.
        engine.normalizer = normalizers.Sequence(
            [normalizers.Replace(" ", SPACE), normalizers.Replace(Regex(rf"\A{SPACE}"), SPACE * 2)]
        )
        engine.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=False)
    return engine, aliases


def _algorithm(model: PieceModel, entries: list[tuple[str, float]], unknown: int) -> Any:
    if model.algorithm == "unigram":
        return models.Unigram(entries, unk_id=unknown, byte_fallback=model.byte_fallback)
    normal = {piece.text: number for number, piece in enumerate(model.pieces) if piece.type is PieceType.NORMAL}
    return models.BPE(
        vocab={token: number for number, (token, _) in enumerate(entries)},
        merges=merges_of(normal, {piece.text: piece.score for piece in model.of_type(PieceType.NORMAL)}),
        unk_token=entries[unknown][0],
        fuse_unk=True,
        byte_fallback=model.byte_fallback,
    )


@dataclass(frozen=True)
class _Preparation:
    """SentencePiece's, with or without the marking of blanks that an engine can do."""

    normalize: SentencePieceNormalizer

    def __call__(self, text: str) -> Aligned:
        return self.normalize.reduced(text) if self.normalize.is_usual else self.normalize(text)


def _user_defined(engine: tokenizers.Tokenizer, model: PieceModel) -> list[str]:
    """User-defined pieces always come out whole."""
    pieces = [piece.text for piece in model.of_type(PieceType.USER_DEFINED)]
    engine.add_tokens([AddedToken(piece, normalized=False, special=False) for piece in pieces])
    return pieces


def _marian(given: Given) -> Built:
    """Junczys-Dowmunt et al., 2018; the OPUS-MT checkpoints (Tiedemann and Thottingal, 2020)."""
    special, separate = given.special, bool(given.rules["separate_vocabs"])
    unknown = special["unk_token"]
    names = {"source_spm": "source.spm", "target_spm": "target.spm", "vocab": "vocab.json"}
    files = {name: Path(given.files[argument]).read_bytes() for argument, name in names.items()}
    source_ids = read_ids(given.files["vocab"], needed=[unknown])
    target_ids = source_ids
    if separate:
        if "target_vocab_file" not in given.files:
            raise CheckpointError("separate_vocabs is set, but there is no target_vocab.json")
        target_ids = read_ids(given.files["target_vocab_file"], needed=[unknown])
        files["target_vocab.json"] = Path(given.files["target_vocab_file"]).read_bytes()
    source, target = read_pieces(Path(given.files["source_spm"])), read_pieces(Path(given.files["target_spm"]))
    # Texts are put together by the source's decoder where both sides share a vocabulary.
    decoder = SentencePieceDecoder.of(target if separate else source)
    sides = []
    for model, ids in ((source, source_ids), (target, target_ids)):
        engine, aliases = _mapped_engine(model, ids, unknown, kept=special.values(), hidden=_MARK)
        codes = frozenset(token for token in ids if token.startswith(">>") and token.endswith("<<"))
        marked = {_MARK + code: code for code in sorted(codes)} | {_MARK: unknown}
        engine.add_tokens([AddedToken(code, normalized=False, special=False) for code in marked])
        aliases[named(engine, _MARK)[1]] = ids[unknown]
        inner = [*marked, *_user_defined(engine, model)]
        steps = Steps(
            _MarianPreparation(_Preparation(SentencePieceNormalizer.of(model)), codes),
            _MarianJoin(decoder, frozenset(special.values())),
            names={number: token for token, number in ids.items()},
            written={number: token for token, number in target_ids.items()} if separate else None,
            ids=aliases,
            unknown=ids[unknown],
            base=len(ids),
            spelled=marked if codes else {},
            inner=frozenset(inner),
            control=frozenset(special.values()),
            files=files,
        )
        sides.append((engine, steps))
    (engine, steps), (other, other_steps) = sides
    return Built(engine, steps=steps, target=Engine(other, other_steps))


def _m2m100(given: Given) -> Built:
    """Fan et al., 2020. The languages follow the vocabulary, in the order of their list."""
    special = given.special
    unknown = special["unk_token"]
    ids = read_ids(given.files["vocab_file"], needed=[unknown])
    lists = {"m2m100": M2M100, "wmt21": WMT21}
    listed = given.rules["language_codes"]
    if listed not in lists:
        raise InputError(f"no language_codes {listed!r}; there are: {', '.join(lists)}{near(str(listed), list(lists))}")
    model = read_pieces(Path(given.files["spm_file"]))
    engine, aliases = _mapped_engine(model, ids, unknown, kept=special.values())
    languages = [f"__{code}__" for code in lists[listed]]
    steps = Steps(
        _Preparation(SentencePieceNormalizer.of(model)),
        _M2M100Join(SentencePieceDecoder.of(model), frozenset([*special.values(), *languages])),
        names={number: token for token, number in ids.items()},
        ids=aliases,
        unknown=ids[unknown],
        base=len(ids),
        control=frozenset([*special.values(), *languages]),
        inner=frozenset(_user_defined(engine, model)),
        files={
            "vocab.json": Path(given.files["vocab_file"]).read_bytes(),
            "sentencepiece.bpe.model": Path(given.files["spm_file"]).read_bytes(),
        },
    )
    engine.add_tokens([AddedToken(token, special=True, normalized=False) for token in languages])
    return Built(engine, languages, steps=steps.extended(engine, languages))


def _eos(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    eos = special["eos_token"]
    return template(engine, ["$A:0", f"{eos}:0"], ["$A:0", "$B:1", f"{eos}:1"])


KINDS = (
    Kind(
        "MarianTokenizer",
        (
            File("source_spm", ("source.spm",)),
            File("target_spm", ("target.spm",)),
            File("vocab", ("vocab.json",)),
            File("target_vocab_file", ("target_vocab.json",), optional=True),
        ),
        _marian,
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
        _eos,
        rules={"separate_vocabs": False, "source_lang": None, "target_lang": None},
        outside=True,
        model_types=("marian",),
        model_max_length=512,
    ),
    Kind(
        "M2M100Tokenizer",
        (File("vocab_file", ("vocab.json",)), File("spm_file", ("sentencepiece.bpe.model",))),
        _m2m100,
        {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
        },
        lambda engine, special, rules: None,
        rules={"language_codes": "m2m100", "num_madeup_words": 8},
        languages=Languages(M2M100, "en", in_front=True, written="__{}__"),
        outside=True,
        model_types=("m2m_100",),
    ),
)
