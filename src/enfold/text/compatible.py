"""The call that users of `transformers` know: same arguments, same results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from enfold.errors import InputError, near
from enfold.text.batch import BatchEncoding
from enfold.text.inputs import read_inputs
from enfold.text.options import UNLIMITED, Side
from enfold.text.padding import Padding, pad_encodings, pad_features
from enfold.text.truncation import Truncation
from enfold.text.vocabulary import Vocabulary

__all__ = ["CompatibleTokenizer"]

_PADDING: dict[bool | str, str] = {True: "longest", False: "do_not_pad"}
_TRUNCATION: dict[bool | str | None, str | None] = {
    None: None,
    False: None,
    "do_not_truncate": None,
    True: "longest_first",
}


_PASSED_ON = (
    "add_special_tokens",
    "padding",
    "truncation",
    "max_length",
    "stride",
    "is_split_into_words",
    "pad_to_multiple_of",
    "padding_side",
    "truncation_side",
    "return_tensors",
    "return_token_type_ids",
    "return_attention_mask",
    "return_overflowing_tokens",
    "return_special_tokens_mask",
    "return_offsets_mapping",
    "return_length",
    "split_special_tokens",
    "verbose",
)
"""Arguments of the call that targets are encoded with as well."""


class CompatibleTokenizer(Vocabulary):
    """A tokenizer with the call of `transformers`' tokenizers; padding and truncation are arguments, never state."""

    target: Any  # the tokenizer of the output side

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        *,
        text_target: Any = None,
        text_pair_target: Any = None,
        max_target_length: int | None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        truncation_side: Side | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        split_special_tokens: bool | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Encode one text or several.

        Args:
            text: a text, a list of texts, or a list of pairs; with ``is_split_into_words`` a list of words, or of such.
            text_pair: the second text, or as many as there are texts.
            text_target: the text, or texts, of the output side; its ids become ``labels``, or the result where there is
                no ``text``.
            text_pair_target: the second text of that side.
            max_target_length: tokens of a row of that side; ``max_length`` unless given.
            add_special_tokens: whether special tokens are put around the texts.
            padding: ``True`` or ``"longest"``, ``"max_length"``, or ``False``.
            truncation: ``True`` or ``"longest_first"``, ``"only_first"``, ``"only_second"``, or ``False``. What was cut
                is in ``BatchEncoding.cut``. A ``max_length`` alone, without padding, asks for truncation too.
            max_length: tokens of a row; the model's maximum unless given.
            stride: tokens that consecutive windows share, with ``return_overflowing_tokens``.
            is_split_into_words: whether the texts are lists of words already.
            pad_to_multiple_of: rows are padded to a multiple of this.
            padding_side: the tokenizer's own side unless given.
            truncation_side: the tokenizer's own side unless given.
            return_tensors: ``"pt"``, ``"np"``, or ``None`` for lists.
            return_token_type_ids: whether they are in the result; by ``model_input_names`` unless given.
            return_attention_mask: whether it is in the result; by ``model_input_names`` unless given.
            return_overflowing_tokens: whether what does not fit becomes rows of its own; ``overflow_to_sample_mapping``
                then says which text each row is of.
            return_special_tokens_mask: whether 1 marks special tokens in the result.
            return_offsets_mapping: whether the characters of each token are in the result.
            return_length: whether the lengths of the rows are in the result.
            split_special_tokens: whether special tokens written in a text are read as plain text.
            verbose: whether a text longer than the model reads is warned of, once.

        Raises:
            InputError: something is not a text (the message says which), or the arguments contradict each other.
        """
        if text_target is not None:
            given = {name: value for name, value in locals().items() if name in _PASSED_ON}
            return self._with_target(text, text_pair, text_target, text_pair_target, max_target_length, given)
        texts, pairs, batched = read_inputs(text, text_pair, is_split_into_words)
        truncating = self._truncation(
            truncation, padding, max_length, stride, truncation_side, return_overflowing_tokens
        )
        padded = self._padding(padding, max_length, pad_to_multiple_of, padding_side)
        if truncating and padded and pad_to_multiple_of and truncating.max_length % pad_to_multiple_of:
            raise InputError(
                f"max_length={truncating.max_length} is not a multiple of pad_to_multiple_of={pad_to_multiple_of}: a "
                "row cut to the one could not be padded to the other"
            )
        splitting = self.split_special_tokens if split_special_tokens is None else split_special_tokens
        encodings, cut = self._engine.encode(
            texts,
            pairs,
            split_special_tokens=splitting,
            is_pretokenized=is_split_into_words,
            add_special_tokens=add_special_tokens,
            truncation=truncating,
        )
        samples = list(range(len(encodings)))
        if return_overflowing_tokens:
            samples = [index for index, one in enumerate(encodings) for _ in range(1 + len(one.overflowing))]
            encodings = [window for one in encodings for window in (one, *one.overflowing)]
        if verbose and max_length is None:
            self._warn_of_length(max((len(encoding) for encoding in encodings), default=0))
        if padded is not None:
            pad_encodings(encodings, padded)

        names = self._options.model_input_names
        data: dict[str, Any] = {"input_ids": [encoding.ids for encoding in encodings]}
        if "token_type_ids" in names if return_token_type_ids is None else return_token_type_ids:
            data["token_type_ids"] = [encoding.type_ids for encoding in encodings]
        if "attention_mask" in names if return_attention_mask is None else return_attention_mask:
            data["attention_mask"] = [encoding.attention_mask for encoding in encodings]
        if return_special_tokens_mask:
            data["special_tokens_mask"] = [encoding.special_tokens_mask for encoding in encodings]
        if return_offsets_mapping:
            data["offset_mapping"] = [encoding.offsets for encoding in encodings]
        if return_length:
            data["length"] = [len(encoding) for encoding in encodings]
        if return_overflowing_tokens:
            data["overflow_to_sample_mapping"] = samples
        elif not batched and return_tensors is None:
            data = {name: column[0] if isinstance(column[0], list) else column for name, column in data.items()}
        return BatchEncoding(data, encodings, return_tensors, cut=[cut[index] for index in samples])

    def _with_target(
        self,
        text: Any,
        text_pair: Any,
        text_target: Any,
        text_pair_target: Any,
        max_target_length: int | None,
        given: dict[str, Any],
    ) -> BatchEncoding:
        """Texts and, as labels, their targets; the targets alone where there are no texts."""
        length = given["max_length"] if max_target_length is None else max_target_length
        target = self.target(text_target, text_pair_target, **{**given, "max_length": length})
        if text is None:
            return target
        encoded = self(text, text_pair, **given)
        encoded["labels"] = target["input_ids"]
        return encoded

    def encode(self, text: Any, text_pair: Any = None, **arguments: Any) -> Any:
        """The ids alone; takes the arguments of the call."""
        return self(text, text_pair, **arguments)["input_ids"]

    def encode_plus(
        self, text: Any, text_pair: Any = None, *, pad_to_max_length: bool = False, **arguments: Any
    ) -> BatchEncoding:
        """The call, under the name older scripts know."""
        if pad_to_max_length:
            warnings.warn("pad_to_max_length=True is now padding='max_length'", FutureWarning, stacklevel=2)
            arguments.setdefault("padding", "max_length")
        return self(text, text_pair, **arguments)

    def batch_encode_plus(self, batch_text_or_text_pairs: Sequence[Any], **arguments: Any) -> BatchEncoding:
        """The call for several texts, under the name older scripts know."""
        return self.encode_plus(list(batch_text_or_text_pairs), **arguments)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **arguments: Any
    ) -> list[str]:
        """The tokens of a text, as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **arguments).tokens()

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Bring rows that were encoded one by one to the same length, as a collator does.

        Args:
            encoded_inputs: a list of mappings with ``input_ids`` and what goes with them, a mapping of lists, or
                `Encoding` values; or one such row. Columns that are not per token, such as labels, pass unchanged.
            padding: ``True`` or ``"longest"``, ``"max_length"``, or ``False``.
            max_length: the length for ``"max_length"``; the model's maximum unless given.
            pad_to_multiple_of: rows are padded to a multiple of this.
            padding_side: the tokenizer's own side unless given.
            return_attention_mask: whether it is in the result; by ``model_input_names`` unless given.
            return_tensors: ``"pt"``, ``"np"`` or ``None``: as they came.
            verbose: accepted for compatibility; there is nothing to say.

        Raises:
            InputError: a row has no ``input_ids``, or the tokenizer has no padding token.
        """
        mask = (
            "attention_mask" in self._options.model_input_names
            if return_attention_mask is None
            else return_attention_mask
        )
        padded = self._padding(padding, max_length, pad_to_multiple_of, padding_side)
        return pad_features(encoded_inputs, padded, attention_mask=mask, tensors=return_tensors)

    def _truncation(
        self,
        truncation: bool | str | None,
        padding: bool | str,
        max_length: int | None,
        stride: int,
        side: Side | None,
        keep_overflow: bool,
    ) -> Truncation | None:
        if truncation is None and max_length is not None and padding is False:
            truncation = "longest_first"
        strategy = _TRUNCATION.get(truncation, truncation)
        if strategy is None:
            return None
        length = self.model_max_length if max_length is None else max_length
        if length >= UNLIMITED:
            self._warn_once(
                "unlimited",
                "truncation was asked for, but neither max_length nor the tokenizer's model_max_length says to which "
                "length: nothing is cut",
            )
            return None
        return Truncation(length, strategy, side or self.truncation_side, stride, keep_overflow)  # type: ignore[arg-type]

    def _padding(
        self, padding: bool | str, max_length: int | None, multiple_of: int | None, side: Side | None
    ) -> Padding | None:
        known = ("longest", "max_length", "do_not_pad")
        strategy = _PADDING.get(padding, padding)
        strategy = getattr(strategy, "value", strategy)
        if strategy not in known:
            raise InputError(
                f"no padding {padding!r}; there are: True, False, {', '.join(known)}{near(str(padding), known)}"
            )
        if strategy == "do_not_pad":
            return None
        length = None
        if strategy == "max_length":
            length = self.model_max_length if max_length is None else max_length
            if length >= UNLIMITED:
                return None
        if self.pad_token is None:
            raise InputError("this tokenizer has no padding token: tokenizer = tokenizer.with_options(pad_token=…)")
        return Padding(side or self.padding_side, self.pad_token_id, self.pad_token, length, multiple_of)

    def _warn_of_length(self, longest: int) -> None:
        if longest > self.model_max_length:
            self._warn_once(
                "length",
                f"a text has {longest} tokens, more than the {self.model_max_length} this model reads: pass "
                "truncation=True, or read it in windows (tokenizer.windows)",
            )

    def _warn_once(self, subject: str, message: str) -> None:
        warned: set[str] = self.__dict__.setdefault("_warned", set())
        if subject not in warned:
            warned.add(subject)
            warnings.warn(message, UserWarning, stacklevel=4)
