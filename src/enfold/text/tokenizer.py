"""The tokenizer: texts to token ids and back."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import tokenizers
from tokenizers import AddedToken

from enfold.errors import InputError, near
from enfold.files import atomic_file, fingerprint_of, write_json
from enfold.text import sources, tokenizer_json
from enfold.text.compatible import CompatibleTokenizer
from enfold.text.engine import Engine
from enfold.text.inputs import check_texts
from enfold.text.kinds import Kind, kind_of_class
from enfold.text.options import SPECIAL_NAMES, Side, TokenizerOptions
from enfold.text.truncation import Strategy, Truncation
from enfold.text.windows import to_value, windows_of
from enfold.values import Encoding

__all__ = ["Tokenizer"]


class Tokenizer(CompatibleTokenizer):
    """Texts to token ids and back; immutable, so threads may share one.

    There are two ways in. `encode_batch`, `windows` and `windows_batch` return `Encoding` values, never padded, and
    read a special token that is written in a text as plain text, so that a text cannot forge one. Calling the tokenizer
    takes the arguments of `transformers`' tokenizers and returns a `BatchEncoding`; there, special tokens in texts are
    parsed.

    Args:
        engine: an engine of the `tokenizers` library; it is copied.
        options: special tokens, sides, the longest input.
    """

    _kind: ClassVar[Kind | None] = None
    """What the class opens; by itself, what the files say."""

    def __init__(self, engine: tokenizers.Tokenizer, options: TokenizerOptions | None = None) -> None:
        options = options or TokenizerOptions()
        own = tokenizer_json.finished(tokenizers.Tokenizer.from_str(engine.to_str()), options)
        self._take(Engine(own), options)

    @classmethod
    def _of(cls, engine: Engine, options: TokenizerOptions) -> Self:
        made = cls.__new__(cls)
        made._take(engine, options)
        return made

    @classmethod
    def from_pretrained(cls, reference: str | Path, *, revision: str | None = None, **overrides: Any) -> Self:
        """Open a tokenizer.

        Args:
            reference: a model folder, a ``tokenizer.json``, ``vocab.txt``, ``.model`` or GGUF file, or any reference of
                `enfold.hub.locate`.
            revision: branch, tag or commit of a Hub repository.
            overrides: what takes the place of the folder's own settings: ``model_max_length``, ``padding_side``,
                ``truncation_side``, ``clean_up_tokenization_spaces``, ``split_special_tokens``, ``model_input_names``,
                ``src_lang`` and ``tgt_lang``, special tokens such as ``pad_token``, and the settings of the kind, such
                as ``do_lower_case``. ``use_fast`` is accepted and means nothing: there is one engine.

        Raises:
            SourceError: the reference cannot be resolved.
            CheckpointError: there is no tokenizer, or it is damaged.
            InputError: an override that is not known.
        """
        overrides.pop("use_fast", None)
        path = Path(reference)
        if revision is not None or not path.exists():
            from enfold.hub import TOKENIZER_FILES, locate

            path = locate(reference, revision=revision, only=TOKENIZER_FILES).path
        if path.suffix == ".gguf":
            return cls._of_gguf(path, overrides | {"name_or_path": str(reference)})
        engine, options = sources.read(path, overrides, cls._kind)
        return cls._of(engine, options.changed(name_or_path=str(reference)))

    @classmethod
    def _of_gguf(cls, file: Path, overrides: Mapping[str, Any]) -> Self:
        from enfold.hub.gguf import GgufFile
        from enfold.text.gguf import tokenizer_from_gguf

        found = tokenizer_from_gguf(GgufFile(file).tokenizer_metadata())
        return cls._of(found._engine, found._options).with_options(**overrides)

    def save_pretrained(self, folder: str | Path) -> tuple[str, ...]:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, which `transformers` opens too.

        A tokenizer that does part of its work outside the engine (Marian, M2M100, Flaubert, BlenderbotSmall) is
        written as the files it came from, because a ``tokenizer.json`` could not hold it.

        Returns:
            the files that were written.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        steps = self._engine.steps
        files = {"tokenizer.json": self._engine.to_json(pretty=True).encode()} if steps is None else steps.files
        for name, content in files.items():
            with atomic_file(target / name) as file:
                file.write_bytes(content)
        write_json(target / "tokenizer_config.json", self._config())
        return tuple(str(target / name) for name in ("tokenizer_config.json", *files))

    def _config(self) -> dict[str, Any]:
        options = self._options
        config: dict[str, Any] = {
            **options.other,
            **options.special,
            **tokenizer_json.bert_rules(self._engine.raw),
            "model_max_length": options.model_max_length,
            "padding_side": options.padding_side,
            "truncation_side": options.truncation_side,
            "clean_up_tokenization_spaces": options.clean_up_tokenization_spaces,
            "model_input_names": list(options.model_input_names),
            "tokenizer_class": options.tokenizer_class,
        }
        for name in ("src_lang", "tgt_lang"):
            if getattr(options, name) is not None:
                config[name] = getattr(options, name)
        if self._engine.steps is not None:
            config["added_tokens_decoder"] = {
                str(number): _described(token) for number, token in self._engine.added.items()
            }
        if options.extra_special_tokens:
            config["extra_special_tokens"] = list(options.extra_special_tokens)
        if options.split_special_tokens:
            config["split_special_tokens"] = True
        return dict(sorted(config.items()))

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits that two tokenizers share when they make the same ids of every text."""
        return fingerprint_of([self._engine.identity, self._config()])

    def __reduce__(self) -> tuple[Any, ...]:
        options = {name: getattr(self._options, name) for name in TokenizerOptions.__dataclass_fields__}
        options.update(special=dict(self._options.special), other=dict(self._options.other))
        return _restored, (type(self), self._engine, options)

    def __repr__(self) -> str:
        limit = "unlimited" if self.model_max_length >= 1e15 else str(self.model_max_length)
        return f"{type(self).__name__}({self.name_or_path!r}, {len(self)} tokens, model_max_length={limit})"

    # --- texts to ids -------------------------------------------------------------------------------------------------

    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        truncation: Strategy = "longest_first",
        truncation_side: Side | None = None,
        split_special_tokens: bool = True,
    ) -> list[Encoding]:
        """Encode texts, or pairs of texts, as values that are never padded.

        Args:
            texts: the texts.
            pairs: the second text of each.
            max_length: tokens, special ones included, that an encoding may have; ``Encoding.cut`` says what was left
                out. ``None`` cuts nothing.
            truncation: from which sequence of a pair tokens are taken.
            truncation_side: which end goes; the tokenizer's own side unless given.
            split_special_tokens: ``False`` parses special tokens that are written in the texts.

        Raises:
            InputError: something is not a text (the message says which), or the sizes contradict each other.
        """
        check_texts(texts, "texts")
        if pairs is not None:
            check_texts(pairs, "pairs")
            if len(pairs) != len(texts):
                raise InputError(f"{len(texts)} texts but {len(pairs)} pairs: there must be one for each")
        side = truncation_side or self._options.truncation_side
        cutting = None if max_length is None else Truncation(max_length, truncation, side)
        encodings, cuts = self._engine.encode(
            texts, pairs, split_special_tokens=split_special_tokens, truncation=cutting
        )
        return [to_value(encoding, cut) for encoding, cut in zip(encodings, cuts, strict=True)]

    def windows(
        self, text: str, *, max_length: int | None = None, stride: int = 0, split_special_tokens: bool = True
    ) -> list[Encoding]:
        """One text as windows that together hold all of it; see `windows_batch`."""
        return self.windows_batch(
            [text], max_length=max_length, stride=stride, split_special_tokens=split_special_tokens
        )[0]

    def windows_batch(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = None,
        stride: int = 0,
        split_special_tokens: bool = True,
    ) -> list[list[Encoding]]:
        """Every text as windows that together hold all of it; a text that fits is one window.

        Args:
            texts: the texts.
            max_length: tokens of a window, special ones included; the model's maximum unless given.
            stride: tokens that consecutive windows share.
            split_special_tokens: ``False`` parses special tokens that are written in the texts.

        Raises:
            InputError: something is not a text, or the sizes contradict each other.
        """
        check_texts(texts, "texts")
        return windows_of(
            self._engine,
            texts,
            max_length=self.model_max_length if max_length is None else max_length,
            stride=stride,
            split_special_tokens=split_special_tokens,
        )

    def count_tokens(self, texts: Sequence[str], *, split_special_tokens: bool = True) -> list[int]:
        """How many tokens each text has, special ones included and nothing cut."""
        check_texts(texts, "texts")
        counts: list[int] = []
        for start in range(0, len(texts), 1024):  # the engine's encodings take far more memory than the texts
            chunk = texts[start : start + 1024]
            counts += self._engine.lengths(chunk, split_special_tokens=split_special_tokens)
        return counts

    # --- languages ----------------------------------------------------------------------------------------------------

    @cached_property
    def lang_code_to_id(self) -> dict[str, int]:
        """The languages that texts can be marked with, and the ids of their tokens; empty where none are marked."""
        kind = kind_of_class(self._options.tokenizer_class)
        if kind is None or kind.languages is None:
            return {}
        found = {code: self._engine.id_of(kind.languages.token(code)) for code in kind.languages.codes}
        return {code: number for code, number in found.items() if number is not None}

    def get_lang_id(self, lang: str) -> int:
        """The id of the token that marks a language, which a model is made to begin its translation with.

        Raises:
            InputError: the tokenizer does not have that language.
        """
        known = self.lang_code_to_id
        if lang not in known:
            there = ", ".join(known) or "none"
            raise InputError(f"this tokenizer has no language {lang!r}; it has: {there}{near(lang, list(known))}")
        return known[lang]

    # --- conversations and new vocabularies ---------------------------------------------------------------------------

    @property
    def chat_template(self) -> Any:
        """The chat template, or several by name, that the tokenizer came with; ``None`` when it has none."""
        return self._options.other.get("chat_template")

    def apply_chat_template(self, conversation: Any, *arguments: Any, **named: Any) -> Any:
        """A conversation, or several, as the model reads it; see `enfold.text.chat.apply_chat_template`."""
        from enfold.text.chat import apply_chat_template

        return apply_chat_template(self, conversation, *arguments, **named)

    def train_new_from_iterator(
        self, text_iterator: Iterable[Any], vocab_size: int, *arguments: Any, **named: Any
    ) -> Self:
        """A tokenizer like this with a vocabulary of other texts; see `enfold.text.retraining`."""
        from enfold.text.retraining import train_new_from_iterator

        return train_new_from_iterator(self, text_iterator, vocab_size, *arguments, **named)  # type: ignore[return-value]

    # --- others like it -----------------------------------------------------------------------------------------------

    @cached_property
    def target(self) -> Self:
        """The tokenizer of the output side of a translation model: of the other language, or the same for most models.

        ``text_target=…`` of the call encodes with it.
        """
        if self._engine.target is not None:
            return self._of(self._engine.target, self._options)
        if self.src_lang is not None and self.tgt_lang not in (None, self.src_lang):
            return self.with_options(src_lang=self.tgt_lang)
        return self

    def with_options(self, **changes: Any) -> Self:
        """A tokenizer that differs in some options: ``padding_side``, ``model_max_length``, ``pad_token``, …

        A special token that is not in the vocabulary is added to it.

        Raises:
            InputError: there is no such option.
        """
        options = self._options.changed(**changes)
        before = self._options
        same = (options.special, options.src_lang, options.tgt_lang) == (
            before.special,
            before.src_lang,
            before.tgt_lang,
        )
        if same and set(options.all_special_tokens) <= set(self.all_special_tokens):
            return self._of(self._engine, options)
        return self._of(sources.reassigned(self._engine, before, options), options)

    def with_tokens(self, tokens: str | Sequence[str | AddedToken], *, special: bool = False) -> Self:
        """A tokenizer whose vocabulary has further tokens at its end; those it has already keep their ids.

        Args:
            tokens: found as they stand in a text, before it is split.
            special: whether decoding may skip them, and texts cannot forge them where special tokens are split.
        """
        given = [tokens] if isinstance(tokens, (str, AddedToken)) else list(tokens)
        wanted = [_special(token) for token in given] if special else given
        engine = self._engine.extended(wanted)
        options = self._options
        if special:
            names = [token if isinstance(token, str) else token.content for token in wanted]
            options = options.changed(extra_special_tokens=dict.fromkeys([*options.extra_special_tokens, *names]))
        return self._of(engine, options)

    def add_tokens(self, new_tokens: str | Sequence[str | AddedToken], special_tokens: bool = False) -> Self:
        """`with_tokens` under the name older scripts know; it warns, because they expect this tokenizer to change."""
        _warn_of_mutation("add_tokens")
        return self.with_tokens(new_tokens, special=special_tokens)

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any]) -> Self:
        """`with_options` under the name older scripts know; it warns, because they expect this tokenizer to change.

        Raises:
            InputError: a key is not the role of a special token.
        """
        allowed = (*SPECIAL_NAMES, "additional_special_tokens", "extra_special_tokens")
        for key in special_tokens_dict:
            if key not in allowed:
                raise InputError(f"{key!r} is not the role of a special token; roles are: {', '.join(allowed)}")
        _warn_of_mutation("add_special_tokens")
        return self.with_options(**special_tokens_dict)


def _restored(cls: type[Tokenizer], engine: Engine, options: dict[str, Any]) -> Tokenizer:
    return cls._of(engine, TokenizerOptions(**options))


def _described(token: AddedToken) -> dict[str, Any]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: getattr(token, name) for name in names}


def _special(token: str | AddedToken) -> AddedToken:
    if isinstance(token, str):
        return AddedToken(token, special=True, normalized=False)
    state = {**token.__getstate__(), "special": True}
    return AddedToken(state.pop("content"), **state)


def _warn_of_mutation(name: str) -> None:
    warnings.warn(
        f"a tokenizer is immutable: {name} returns another one and leaves this as it is "
        f"(tokenizer = tokenizer.{name}(…), then model.resize_token_embeddings(len(tokenizer)))",
        UserWarning,
        stacklevel=3,
    )
