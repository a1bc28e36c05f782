"""The half of a tokenizer that goes from ids back to text: vocabulary, special tokens, decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

from enfold.errors import InputError, near
from enfold.text.engine import Engine
from enfold.text.options import SPECIAL_NAMES, Side, TokenizerOptions

__all__ = ["Vocabulary"]

_CLEANED = {
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}
"""What cleaning up blanks replaces, in this order."""


class Vocabulary:
    """Tokens and their ids, the special ones by role, and text from ids. Immutable."""

    _engine: Engine
    _options: TokenizerOptions

    def _take(self, engine: Engine, options: TokenizerOptions) -> None:
        self.__dict__.update(_engine=engine, _options=options)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(
            f"a tokenizer is immutable, so {name} cannot be set; make another: "
            f"tokenizer = tokenizer.with_options({name}={value!r})"
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a tokenizer is immutable, so {name} cannot be deleted")

    # --- what it was told ---------------------------------------------------------------------------------------------

    @property
    def options(self) -> TokenizerOptions:
        """Everything but the engine."""
        return self._options

    @property
    def model_max_length(self) -> int:
        """Tokens the model reads at most, special ones included; 1e30 when nothing says so."""
        return self._options.model_max_length

    @property
    def padding_side(self) -> Side:
        """The side rows are padded on unless a call says otherwise."""
        return self._options.padding_side

    @property
    def truncation_side(self) -> Side:
        """The side that is cut unless a call says otherwise."""
        return self._options.truncation_side

    @property
    def clean_up_tokenization_spaces(self) -> bool:
        """Whether decoding removes blanks before punctuation beside what the engine's decoder does."""
        return self._options.clean_up_tokenization_spaces

    @property
    def split_special_tokens(self) -> bool:
        """Whether the compatible call reads special tokens written in a text as plain text."""
        return self._options.split_special_tokens

    @property
    def src_lang(self) -> str | None:
        """The language that texts are marked with; `None` for tokenizers that mark none."""
        return self._options.src_lang

    @property
    def tgt_lang(self) -> str | None:
        """The language that targets are marked with."""
        return self._options.tgt_lang

    @property
    def other_options(self) -> Mapping[str, Any]:
        """What its configuration says besides, such as the two languages of a Marian model."""
        return self._options.other

    @property
    def model_input_names(self) -> list[str]:
        """What the model takes."""
        return list(self._options.model_input_names)

    @property
    def name_or_path(self) -> str:
        """The reference it was opened from."""
        return self._options.name_or_path

    @property
    def is_fast(self) -> bool:
        """Always: offsets and word numbers are known."""
        return True

    # --- special tokens -----------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """``cls_token``, ``cls_token_id`` and so on: ``None`` where the tokenizer has no such token."""
        role = name.removesuffix("_id")
        if role in SPECIAL_NAMES:
            token = self._options.special.get(role)
            return token if name == role or token is None else self._engine.id_of(token)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{near(name, dir(type(self)))}")

    @property
    def pad_token_type_id(self) -> int:
        """The type of padding."""
        return 0

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Role to token."""
        return {name: self._options.special[name] for name in SPECIAL_NAMES if name in self._options.special}

    @property
    def extra_special_tokens(self) -> list[str]:
        """Special tokens without a role."""
        return list(self._options.extra_special_tokens)

    additional_special_tokens = extra_special_tokens

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token."""
        return list(self._options.all_special_tokens)

    @cached_property
    def _special_ids(self) -> tuple[int, ...]:
        return tuple(self._vocabulary[token] for token in self._options.all_special_tokens)

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return list(self._special_ids)

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for each special token among ids that hold them already, 0 for every other.

        Raises:
            InputError: the ids are said to be without special tokens; the tokenizer's call returns their mask.
        """
        if not already_has_special_tokens or token_ids_1 is not None:
            raise InputError(
                "the mask is made of one row that has its special tokens (already_has_special_tokens=True); for a "
                "text, call the tokenizer with return_special_tokens_mask=True"
            )
        special = set(self._special_ids)
        return [int(int(number) in special) for number in token_ids_0]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Special tokens that are put around a text, or around a pair."""
        return self._engine.raw.num_special_tokens_to_add(pair)

    @property
    def max_len_single_sentence(self) -> int:
        """Tokens of one text the model reads at most."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """Tokens of a pair the model reads at most."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    # --- tokens and ids -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._engine.size(added=True)

    def __bool__(self) -> bool:
        return True

    @property
    def vocab_size(self) -> int:
        """Tokens of the vocabulary, without those that were added later."""
        return self._engine.size(added=False)

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return self._engine.vocabulary

    @cached_property
    def _highest_id(self) -> int:
        return max(self._engine.readable, default=-1)

    @cached_property
    def _holes(self) -> frozenset[int]:
        """Ids below the highest that no token has."""
        readable = self._engine.readable
        if len(readable) > self._highest_id:
            return frozenset()
        return frozenset(range(self._highest_id + 1)) - frozenset(readable)

    def _token(self, number: int) -> str:
        token = self._engine.token_of(number)
        assert token is not None  # ids are checked before
        return token

    def get_vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return dict(self._vocabulary)

    @property
    def vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self.get_vocab()

    def get_added_vocab(self) -> dict[str, int]:
        """Token to id of those the engine finds before it splits a text."""
        return {token.content: number for number, token in self._engine.added.items()}

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """The id of a token, or of each; that of the unknown token for what is not in the vocabulary."""
        if isinstance(tokens, str):
            return self._vocabulary.get(tokens, self.unk_token_id)
        unknown = self.unk_token_id
        return [self._vocabulary.get(token, unknown) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int], skip_special_tokens: bool = False) -> Any:
        """The token of an id, or of each.

        Raises:
            InputError: an id is outside the vocabulary; the message says at which position.
        """
        numbers = _numbers(ids)
        if isinstance(numbers, int):
            self._check_ids([numbers])
            return self._token(numbers)
        self._check_ids(numbers)
        skipped = set(self._special_ids) if skip_special_tokens else ()
        return [self._token(number) for number in numbers if number not in skipped]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Tokens joined as the engine's decoder joins them."""
        return self._engine.join(list(tokens))

    # --- text from ids ------------------------------------------------------------------------------------------------

    def decode(
        self, token_ids: Any, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool | None = None
    ) -> Any:
        """Text from ids; a list of texts from a batch of them.

        Args:
            token_ids: an id, ids, or rows of ids, as numbers, NumPy array or torch tensor.
            skip_special_tokens: whether special tokens are left out.
            clean_up_tokenization_spaces: whether blanks before punctuation go; the tokenizer's own setting unless
                given.

        Raises:
            InputError: an id is outside the vocabulary; the message says at which position.
        """
        ids = _numbers(token_ids)
        if isinstance(ids, list) and ids and isinstance(ids[0], (list, tuple)):
            return self.batch_decode(ids, skip_special_tokens, clean_up_tokenization_spaces)
        return self._decode_rows(
            [[ids] if isinstance(ids, int) else ids], skip_special_tokens, clean_up_tokenization_spaces
        )[0]

    def batch_decode(
        self, sequences: Any, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool | None = None
    ) -> list[str]:
        """A text from each row of ids; see `decode`.

        Raises:
            InputError: an id is outside the vocabulary; the message says in which row, at which position.
        """
        rows = [_numbers(row) for row in _numbers(sequences)]
        return self._decode_rows(
            [[row] if isinstance(row, int) else row for row in rows], skip_special_tokens, clean_up_tokenization_spaces
        )

    def _decode_rows(self, rows: list[list[int]], skip_special_tokens: bool, clean: bool | None) -> list[str]:
        for index, row in enumerate(rows):
            self._check_ids(row, None if len(rows) == 1 else index)
        texts = self._engine.decode(rows, skip_special_tokens=skip_special_tokens)
        clean = self._options.clean_up_tokenization_spaces if clean is None else clean
        # Byte-pair tokens hold their blanks: removing some would change the text.
        return [_cleaned(text) for text in texts] if clean and not self._engine.holds_blanks else texts

    def _check_ids(self, ids: Sequence[Any], row: int | None = None) -> None:
        try:
            if not ids or (min(ids) >= 0 and max(ids) <= self._highest_id and self._holes.isdisjoint(ids)):
                return
        except TypeError:
            pass
        where = "" if row is None else f" of row {row}"
        for position, number in enumerate(ids):
            if not isinstance(number, int):
                raise InputError(f"position {position}{where} is {number!r}, not a token id")
            if not 0 <= number <= self._highest_id:
                raise InputError(
                    f"id {number} at position {position}{where} is outside the vocabulary, whose ids are 0 to "
                    f"{self._highest_id}"
                )
            if number in self._holes:
                raise InputError(f"id {number} at position {position}{where} belongs to no token of the vocabulary")


def _numbers(values: Any) -> Any:
    """Ids out of arrays and tensors, and out of a mapping's ``input_ids``."""
    if isinstance(values, Mapping) or hasattr(values, "input_ids"):
        values = values["input_ids"]
    if hasattr(values, "tolist"):
        return values.tolist()
    if isinstance(values, (list, tuple)):
        return [value.tolist() if hasattr(value, "tolist") else value for value in values]
    if isinstance(values, int):
        return values
    raise InputError(f"token ids are numbers, lists of them, arrays or tensors; these are a {type(values).__name__}")


def _cleaned(text: str) -> str:
    for before, after in _CLEANED.items():
        text = text.replace(before, after)
    return text
