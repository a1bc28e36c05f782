"""What is wrong with generation options: wrong kinds, wrong ranges, what is not supported, what excludes each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["contradictions", "kinds_wrong", "outside", "refusals"]

_WHOLE = (
    "max_length", "max_new_tokens", "min_length", "min_new_tokens", "num_beams", "num_return_sequences", "top_k",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "forced_bos_token_id", "pad_token_id", "bos_token_id",
    "num_assistant_tokens", "prompt_lookup_num_tokens", "max_matching_ngram_size",
)  # fmt: skip
_NUMBERS = (
    "max_time", "length_penalty", "temperature", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff",
    "repetition_penalty", "encoder_repetition_penalty", "assistant_confidence_threshold",
)  # fmt: skip
_SWITCHES = (
    "do_sample", "remove_invalid_values", "renormalize_logits", "return_dict_in_generate", "output_scores",
    "output_logits",
)  # fmt: skip
_IDS = ("suppress_tokens", "begin_suppress_tokens")
_ID_OR_IDS = ("eos_token_id", "forced_eos_token_id", "decoder_start_token_id")

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "use_mtp": (False,),
    "token_healing": (False,),
    "guidance_scale": (1,),
    "watermarking_config": (),
    "penalty_alpha": (0,),
    "dola_layers": (),
    "diversity_penalty": (0,),
    "num_beam_groups": (1,),
    "constraints": (),
    "force_words_ids": (),
    "assistant_early_exit": (),
    "assistant_ensemble_weight": (),
    "speculation_type": (),
    "output_attentions": (False,),
    "output_hidden_states": (False,),
}
_INSTEAD = {
    "constraints": "; a Constraint holds output to a JSON schema or a regular expression",
    "output_attentions": "; call the model on the finished sequences with output_attentions=True",
    "output_hidden_states": "; call the model on the finished sequences with output_hidden_states=True",
}

_RANGES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_length": (lambda v: v >= 1, "at least 1"),
    "max_new_tokens": (lambda v: v >= 1, "at least 1"),
    "min_length": (lambda v: v >= 0, "at least 0"),
    "min_new_tokens": (lambda v: v >= 0, "at least 0"),
    "max_time": (lambda v: v > 0, "above 0"),
    "num_beams": (lambda v: v >= 1, "at least 1"),
    "num_return_sequences": (lambda v: v >= 1, "at least 1"),
    "top_k": (lambda v: v >= 0, "at least 0 (0 keeps every token)"),
    "top_p": (lambda v: 0 <= v <= 1, "between 0 and 1"),
    "min_p": (lambda v: 0 <= v <= 1, "between 0 and 1"),
    "top_h": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
    "typical_p": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
    "epsilon_cutoff": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "eta_cutoff": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "repetition_penalty": (lambda v: v > 0, "above 0"),
    "encoder_repetition_penalty": (lambda v: v > 0, "above 0"),
    "no_repeat_ngram_size": (lambda v: v >= 0, "at least 0"),
    "encoder_no_repeat_ngram_size": (lambda v: v >= 0, "at least 0"),
    "early_stopping": (lambda v: isinstance(v, bool) or v == "never", "True, False or 'never'"),
    "num_assistant_tokens": (lambda v: v >= 1, "at least 1"),
    "prompt_lookup_num_tokens": (lambda v: v >= 1, "at least 1"),
    "max_matching_ngram_size": (lambda v: v >= 1, "at least 1"),
}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_ids(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(_is_whole(item) for item in value)


def _are_biases(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(item, (list, tuple)) and len(item) == 2 and _are_ids(item[0]) and isinstance(item[1], (int, float))
        for item in value
    )


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(_WHOLE, (_is_whole, "a whole number")),
    **dict.fromkeys(_NUMBERS, (lambda v: isinstance(v, (int, float)) and not isinstance(v, bool), "a number")),
    **dict.fromkeys(_SWITCHES, (lambda v: isinstance(v, bool), "True or False")),
    **dict.fromkeys(_IDS, (_are_ids, "a list of token ids")),
    **dict.fromkeys(_ID_OR_IDS, (lambda v: _is_whole(v) or _are_ids(v), "a token id or a list of them")),
    "bad_words_ids": (
        lambda v: isinstance(v, (list, tuple)) and all(_are_ids(word) for word in v),
        "a list of lists of token ids",
    ),
    "sequence_bias": (_are_biases, "a list of pairs: token ids, and the number added to the score of completing them"),
    "stop_strings": (
        lambda v: isinstance(v, str) or (isinstance(v, (list, tuple)) and all(isinstance(text, str) for text in v)),
        "a text or a list of texts",
    ),
    "exponential_decay_length_penalty": (
        lambda v: isinstance(v, (list, tuple)) and len(v) == 2 and all(isinstance(n, (int, float)) for n in v),
        "a pair of numbers (start, factor)",
    ),
}


def kinds_wrong(values: Mapping[str, Any]) -> list[str]:
    """Options whose values are of the wrong kind."""
    return [
        f"{name}={values[name]!r} must be {wanted}"
        for name, (fits, wanted) in _KINDS.items()
        if values[name] is not None and not fits(values[name])
    ]


def refusals(values: Mapping[str, Any]) -> list[str]:
    """Options that would change the output and that are not supported here."""
    return [
        f"{name}={values[name]!r} is not supported{_INSTEAD.get(name, '')}"
        for name, neutral in _NEUTRAL.items()
        if values[name] is not None and values[name] not in neutral
    ]


def contradictions(values: Mapping[str, Any]) -> list[str]:
    """Options that are out of range or that exclude each other."""
    faults = [
        f"{name}={values[name]!r} must be {wanted}"
        for name, (fits, wanted) in _RANGES.items()
        if values[name] is not None and not fits(values[name])
    ]
    if values["do_sample"] and values["temperature"] <= 0:
        faults.append(f"temperature={values['temperature']!r} must be above 0; do_sample=False takes the best token")
    beams, wanted = values["num_beams"], values["num_return_sequences"]
    if wanted > 1 and beams == 1 and not values["do_sample"]:
        faults.append(
            f"num_return_sequences={wanted} needs do_sample=True or num_beams of at least {wanted}: "
            "taking the best token gives one sequence"
        )
    if 1 < beams < wanted:
        faults.append(f"num_return_sequences={wanted} is more than num_beams={beams}")
    for least, most in (("min_new_tokens", "max_new_tokens"), ("min_length", "max_length")):
        if values[least] is not None and values[most] is not None and values[least] > values[most]:
            faults.append(f"{least}={values[least]} is more than {most}={values[most]}")
    for name in ("bad_words_ids", "sequence_bias"):
        words = [item if name == "bad_words_ids" else item[0] for item in values[name] or ()]
        if any(len(word) == 0 for word in words):
            faults.append(f"{name} holds an empty sequence of tokens")
    if any(not text for text in _texts(values["stop_strings"])):
        faults.append("stop_strings holds an empty text")
    suppressed = set(values["suppress_tokens"] or ())
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        forced = set(_ids(values[name]))
        if forced and forced <= suppressed:
            faults.append(f"{name}={values[name]!r} is in suppress_tokens: it cannot be forced and suppressed")
    if values["prompt_lookup_num_tokens"] is not None and beams > 1:
        faults.append(f"prompt_lookup_num_tokens and num_beams={beams} exclude each other")
    return faults


def outside(values: Mapping[str, Any], vocabulary: int) -> list[str]:
    """Ids that are to be chosen or weighed and that the vocabulary does not have.

    A stop id outside the vocabulary is none of them: it never comes.
    """
    faults = []
    for name in (
        "forced_bos_token_id",
        "forced_eos_token_id",
        "decoder_start_token_id",
        "bad_words_ids",
        "sequence_bias",
    ):
        if name == "bad_words_ids":
            numbers = [token for word in values[name] or () for token in word]
        elif name == "sequence_bias":
            numbers = [token for tokens, _ in values[name] or () for token in tokens]
        else:
            numbers = list(_ids(values[name]))
        wrong = sorted({number for number in numbers if not 0 <= number < vocabulary})
        if wrong:
            shown = ", ".join(map(str, wrong[:5]))
            faults.append(f"{name} has ids outside the vocabulary of {vocabulary}: {shown}")
    return faults


def _ids(value: int | Sequence[int] | None) -> Sequence[int]:
    return () if value is None else (value,) if isinstance(value, int) else value


def _texts(value: str | Sequence[str] | None) -> Sequence[str]:
    return () if value is None else (value,) if isinstance(value, str) else value
