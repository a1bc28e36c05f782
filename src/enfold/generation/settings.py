"""What decoding really does: the caller's options over the model's over the defaults, checked together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from enfold.errors import InputError
from enfold.generation.config import DEFAULTS, GenerationConfig, field_names
from enfold.generation.contradictions import contradictions, kinds_wrong, outside, refusals

__all__ = ["Settings", "own_config", "resolve"]

_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_BEAMS = ("length_penalty", "early_stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options with every default filled in; the names are those of `GenerationConfig`.

    ``max_new_tokens`` and ``max_length`` are not both set, nor are ``min_new_tokens`` and ``min_length``.
    """

    max_length: int | None
    max_new_tokens: int | None
    min_length: int
    min_new_tokens: int | None
    max_time: float | None
    stop_strings: tuple[str, ...]
    do_sample: bool
    num_beams: int
    num_return_sequences: int
    early_stopping: bool | str
    length_penalty: float
    temperature: float
    top_k: int
    top_p: float
    min_p: float | None
    top_h: float | None
    typical_p: float
    epsilon_cutoff: float
    eta_cutoff: float
    repetition_penalty: float
    encoder_repetition_penalty: float
    no_repeat_ngram_size: int
    encoder_no_repeat_ngram_size: int
    sequence_bias: tuple[tuple[tuple[int, ...], float], ...]
    bad_words_ids: tuple[tuple[int, ...], ...]
    suppress_tokens: tuple[int, ...]
    begin_suppress_tokens: tuple[int, ...]
    forced_bos_token_id: int | None
    forced_eos_token_id: tuple[int, ...]
    exponential_decay_length_penalty: tuple[int, float] | None
    remove_invalid_values: bool
    renormalize_logits: bool
    eos_token_id: tuple[int, ...]
    pad_token_id: int | None
    bos_token_id: int | None
    decoder_start_token_id: int | tuple[int, ...] | None
    num_assistant_tokens: int
    assistant_confidence_threshold: float
    prompt_lookup_num_tokens: int | None
    max_matching_ngram_size: int
    return_dict_in_generate: bool
    output_scores: bool
    output_logits: bool

    def most(self, prompt_length: int) -> int:
        """The length, prompt included, at which a sequence ends; the model's context may end it before."""
        if self.max_length is not None:
            return self.max_length
        return prompt_length + (self.max_new_tokens or 0)

    def least(self, prompt_length: int) -> int:
        """The length, prompt included, before which no stop id may come."""
        return self.min_length if self.min_new_tokens is None else prompt_length + self.min_new_tokens


def resolve(
    config: GenerationConfig | None,
    own: GenerationConfig | None = None,
    *,
    vocabulary: int | None = None,
    warn: bool = True,
) -> Settings:
    """Fill in what is not set, and check everything at once.

    Options that only sampling or only beam search reads are ignored without it, as in ``transformers``; a warning names
    those that the caller set. A length the caller gives takes the place of both lengths of the model's own file.

    Args:
        config: what the caller wants.
        own: what the model's folder says.
        vocabulary: the size of the model's vocabulary, to check ids against.
        warn: whether to warn of options without effect.

    Raises:
        InputError: options are of the wrong kind, out of range, not supported, or contradict each other; all are named.
    """
    config = config or GenerationConfig()
    values = _merged(config, own)
    faults = [*kinds_wrong(values), *refusals(values)]
    if not faults:
        faults = contradictions(values) + (outside(values, vocabulary) if vocabulary is not None else [])
    if faults:
        raise InputError("; ".join(faults))
    if warn:
        _warn_of_unused(config, values)
    return _settings(values)


def own_config(model: Any) -> GenerationConfig | None:
    """What a model's own folder says: its ``generation_config``, else the options that stand in its config."""
    own = getattr(model, "generation_config", None)
    if own is None and getattr(model, "config", None) is not None:
        return GenerationConfig.from_model_config(model.config)
    return own


def _merged(config: GenerationConfig, own: GenerationConfig | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in field_names():
        value = getattr(config, name)
        if value is None and own is not None:
            value = getattr(own, name)
        values[name] = value
    for ends in (("max_new_tokens", "max_length"), ("min_new_tokens", "min_length")):
        if any(getattr(config, name) is not None for name in ends):
            values.update({name: getattr(config, name) for name in ends})
        if values[ends[0]] is not None:
            values[ends[1]] = None  # new tokens take precedence where both are given
    if values["max_new_tokens"] is None and values["max_length"] is None:
        values["max_new_tokens"] = DEFAULTS["max_length"]  # the default counts new tokens
    for name, default in DEFAULTS.items():
        if values[name] is None and name != "max_length":
            values[name] = default
    return values


def _warn_of_unused(config: GenerationConfig, values: dict[str, Any]) -> None:
    unused: list[str] = []
    for names, needed, active in (
        (_SAMPLING, "do_sample=True", values["do_sample"]),
        (_BEAMS, "num_beams above 1", values["num_beams"] > 1),
    ):
        if not active:
            unused += [
                f"{name}={getattr(config, name)!r} needs {needed}"
                for name in names
                if getattr(config, name) not in (None, DEFAULTS.get(name))
            ]
    if unused:
        warnings.warn(f"generation options without effect: {', '.join(unused)}", UserWarning, stacklevel=3)


def _settings(values: dict[str, Any]) -> Settings:
    stops = values["stop_strings"]
    start = values["decoder_start_token_id"]
    decay = values["exponential_decay_length_penalty"]
    chosen = {name: values[name] for name in Settings.__dataclass_fields__}
    chosen |= {
        "stop_strings": (stops,) if isinstance(stops, str) else tuple(stops or ()),
        "decoder_start_token_id": tuple(start) if isinstance(start, (list, tuple)) else start,
        "exponential_decay_length_penalty": None if decay is None else (int(decay[0]), float(decay[1])),
        "sequence_bias": tuple((tuple(tokens), float(bias)) for tokens, bias in values["sequence_bias"] or ()),
        "bad_words_ids": tuple(tuple(word) for word in values["bad_words_ids"] or ()),
        "max_matching_ngram_size": values["max_matching_ngram_size"] or 2,
        "top_k": values["top_k"] or 0,
        "min_length": values["min_length"] or 0,
    }
    for name in ("suppress_tokens", "begin_suppress_tokens", "forced_eos_token_id", "eos_token_id"):
        chosen[name] = _several(values[name])
    for name in ("remove_invalid_values", "renormalize_logits", "return_dict_in_generate"):
        chosen[name] = bool(values[name])
    for name in ("output_scores", "output_logits"):
        chosen[name] = bool(values[name])
    return Settings(**chosen)


def _several(value: int | Sequence[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)
