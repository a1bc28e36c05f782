"""``generation_config.json``: how a model is to be decoded. Importing this does not import torch."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from enfold.errors import CheckpointError, InputError, near
from enfold.files import read_json, write_json

__all__ = ["DEFAULTS", "FILE", "GenerationConfig", "field_names"]

FILE = "generation_config.json"

DEFAULTS: Mapping[str, Any] = {
    "max_length": 20,
    "min_length": 0,
    "do_sample": False,
    "use_cache": True,
    "early_stopping": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "remove_invalid_values": False,
    "num_return_sequences": 1,
    "output_scores": False,
    "return_dict_in_generate": False,
    "num_assistant_tokens": 20,
    "num_assistant_tokens_schedule": "constant",
    "assistant_confidence_threshold": 0.4,
    "assistant_lookbehind": 10,
    "target_lookbehind": 10,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
}
"""What holds where neither the caller nor the model's folder says anything, as in ``transformers`` 5."""


class GenerationConfig:
    """How to decode, with the names of ``transformers`` 5. None means: as the model's own file says, else `DEFAULTS`.

    Attributes:
        max_new_tokens: how many tokens are written at most. ``max_length`` counts the prompt too; where neither is
            given, 20 new tokens.
        min_new_tokens: no stop id before so many; ``min_length`` counts the prompt too.
        do_sample: draw at random instead of taking the best token.
        num_beams: sequences that beam search keeps at a time; 1 is no beam search.
        num_return_sequences: how many are returned for each prompt.
        length_penalty: a beam's score is divided by its length to this power.
        early_stopping: of beam search: True ends when there are ``num_beams`` finished sequences, False when a better
            one is unlikely, ``"never"`` when none can be better.
        temperature: scores are divided by it; below 1 is surer, above 1 more varied.
        top_k: draw among the so many best; 0 for all.
        top_p: draw among the fewest tokens that together have this probability.
        min_p: draw among tokens at least so likely, as a share of the likeliest one.
        typical_p: draw among the tokens nearest to the expected surprise (Meister et al. 2022) with this probability.
        top_h: draw among the best tokens up to this share of the entropy.
        epsilon_cutoff: draw among tokens at least so likely (Hewitt et al. 2022, section 4); ``eta_cutoff`` lowers the
            bound where the entropy is high.
        repetition_penalty: above 1 makes tokens that stand in the sequence less likely (Keskar et al. 2019, section
            4.1); ``encoder_repetition_penalty`` above 1 makes those of the source likelier.
        no_repeat_ngram_size: no n tokens stand twice in a sequence; ``encoder_no_repeat_ngram_size``: nor once that
            stand in the source.
        bad_words_ids: token sequences that are never completed; ``sequence_bias`` adds to the score of completing one.
        suppress_tokens: never chosen; ``begin_suppress_tokens``: not as the first new token.
        forced_bos_token_id: the first new token after a decoder start; ``forced_eos_token_id``: the last one allowed.
        exponential_decay_length_penalty: (start, factor): stop ids grow likelier from so many new tokens on.
        remove_invalid_values: replace infinite scores, and those that are no numbers.
        renormalize_logits: make processed scores log-probabilities again.
        eos_token_id: the stop id, or several; an empty list for none.
        stop_strings: texts that end a sequence where they appear in what was written.
        max_time: seconds after which everything ends.
        num_assistant_tokens: what an assistant model proposes at a time, at most; it stops early where it is less sure
            than ``assistant_confidence_threshold``.
        prompt_lookup_num_tokens: propose so many tokens from where the sequence's last ``max_matching_ngram_size``
            stood before; no assistant model is needed.
    """

    max_length: int | None = None
    max_new_tokens: int | None = None
    min_length: int | None = None
    min_new_tokens: int | None = None
    max_time: float | None = None
    stop_strings: str | list[str] | None = None

    do_sample: bool | None = None
    num_beams: int | None = None
    num_return_sequences: int | None = None
    early_stopping: bool | str | None = None
    length_penalty: float | None = None

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    top_h: float | None = None
    typical_p: float | None = None
    epsilon_cutoff: float | None = None
    eta_cutoff: float | None = None

    repetition_penalty: float | None = None
    encoder_repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    encoder_no_repeat_ngram_size: int | None = None
    bad_words_ids: list[list[int]] | None = None
    sequence_bias: Any = None
    suppress_tokens: list[int] | None = None
    begin_suppress_tokens: list[int] | None = None
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | list[int] | None = None
    exponential_decay_length_penalty: tuple[int, float] | None = None
    remove_invalid_values: bool | None = None
    renormalize_logits: bool | None = None

    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    decoder_start_token_id: int | list[int] | None = None

    num_assistant_tokens: int | None = None
    num_assistant_tokens_schedule: str | None = None
    assistant_confidence_threshold: float | None = None
    prompt_lookup_num_tokens: int | None = None
    max_matching_ngram_size: int | None = None

    return_dict_in_generate: bool | None = None
    output_scores: bool | None = None
    output_logits: bool | None = None
    output_attentions: bool | None = None
    output_hidden_states: bool | None = None

    # Read and written; refused where they are used and would change the output (`settings.refusals`).
    use_mtp: bool | None = None
    token_healing: bool | None = None
    guidance_scale: float | None = None
    watermarking_config: Any = None
    penalty_alpha: float | None = None
    dola_layers: Any = None
    diversity_penalty: float | None = None
    num_beam_groups: int | None = None
    constraints: Any = None
    force_words_ids: Any = None
    assistant_early_exit: int | None = None
    assistant_ensemble_weight: float | None = None
    speculation_type: str | None = None

    # Read and written; they say how to compute, not what.
    use_cache: bool | None = None
    cache_implementation: str | None = None
    cache_config: Any = None
    max_cache_len: int | None = None
    compile_config: Any = None
    disable_compile: bool | None = None
    prefill_chunk_size: int | None = None
    low_memory: bool | None = None
    is_assistant: bool | None = None
    assistant_lookbehind: int | None = None
    target_lookbehind: int | None = None

    def __init__(self, **options: Any) -> None:
        """Take options by name.

        Raises:
            InputError: there is no such option; all such are named.
        """
        known = field_names()
        unknown = [f"no generation option {name!r}{near(name, known)}" for name in options if name not in known]
        if unknown:
            raise InputError("; ".join(unknown))
        self._extra: dict[str, Any] = {}
        for name in known:
            setattr(self, name, _plain(options.get(name)))
        if isinstance(self.sequence_bias, Mapping):
            self.sequence_bias = [[list(tokens), bias] for tokens, bias in self.sequence_bias.items()]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from the contents of a file; keys that are no options are kept and written back."""
        known = field_names()
        made = cls(**{name: value for name, value in values.items() if name in known})
        made._extra = {name: copy.deepcopy(value) for name, value in values.items() if name not in known}
        return made

    @classmethod
    def from_model_config(cls, config: Any) -> Self:
        """Take the options that stand in a model's config, their older place.

        Args:
            config: a model's config, or the contents of a ``config.json``.
        """
        values = dict(config) if isinstance(config, Mapping) else config.to_dict()
        options = {name: values[name] for name in field_names() if values.get(name) is not None}
        if values.get("force_bos_token_to_be_generated") and "forced_bos_token_id" not in options:
            options["forced_bos_token_id"] = values.get("bos_token_id")
        for name in ("output_attentions", "output_hidden_states"):  # of the model's own call
            options.pop(name, None)
        return cls(**options)

    @classmethod
    def from_pretrained(cls, reference: str | Path, *, revision: str | None = None) -> Self:
        """Read ``generation_config.json`` of a model folder, or the options in its ``config.json``.

        Args:
            reference: a folder, the file itself, or any reference that ``enfold.hub`` knows.
            revision: of a Hub reference.

        Raises:
            SourceError: the reference leads nowhere.
            CheckpointError: the folder has neither file, or one is not a JSON object.
        """
        path = Path(reference)
        if revision is not None or not path.exists():
            from enfold.hub import locate

            path = locate(str(reference), revision=revision, only=(FILE, "config.json")).path
        if path.is_file():
            return cls.from_dict(_read(path))
        if (path / FILE).is_file():
            return cls.from_dict(_read(path / FILE))
        if (path / "config.json").is_file():
            return cls.from_model_config(_read(path / "config.json"))
        raise CheckpointError(f"no {FILE} and no config.json in {path}")

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``generation_config.json`` into ``folder``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_json(Path(folder) / FILE, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The options that are set, and the kept keys."""
        options = {name: copy.deepcopy(getattr(self, name)) for name in field_names()}
        return dict(sorted({**self._extra, **{k: v for k, v in options.items() if v is not None}}.items()))

    def updated(self, **options: Any) -> Self:
        """A config in which some options are others.

        Raises:
            InputError: there is no such option.
        """
        changed = type(self)(**{**{name: getattr(self, name) for name in field_names()}, **options})
        changed._extra = dict(self._extra)
        return changed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationConfig) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(self.to_dict(), indent=2, default=str)}"


_FIELDS = [name for name in inspect.get_annotations(GenerationConfig) if not name.startswith("_")]


def field_names() -> list[str]:
    """The names of all options."""
    return _FIELDS


def _plain(value: Any) -> Any:
    """Tensors and arrays as lists and numbers, and a copy of what may be changed later."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return copy.deepcopy(value) if isinstance(value, (Sequence, Mapping)) else value


def _read(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path)
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must hold a JSON object; it holds a {type(values).__name__}")
    return values
