"""From the vectors of a text's tokens to the vector of the text, as the checkpoint says.

A folder of sentence-transformers lists its steps in ``modules.json``: the transformer, a pooling, perhaps dense layers,
perhaps a normalisation; each step has its own ``config.json``. A folder without that is pooled by the mean, as Reimers
and Gurevych (2019), "Sentence-BERT", section 3, found best, and its vectors are left as long as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from enfold.errors import CheckpointError, InputError, near
from enfold.files import fingerprint_of, read_json
from enfold.pipelines.scores import normalised

__all__ = ["MODES", "Dense", "Pooling", "read_pooling"]

MODES = ("cls", "mean", "max", "mean_sqrt_len", "weighted_mean", "last")
"""How token vectors become one: the first token's, the mean, the maximum of each dimension, the sum over the square
root of the length, the mean weighted by position (Muennighoff, 2022, "SGPT", section 3.1), the last token's."""

_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last",
}
_NAMES = {"weightedmean": "weighted_mean", "lasttoken": "last"}
_MEASURES = ("cosine", "dot")
_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Identity": lambda values: values,
    "Tanh": np.tanh,
    "ReLU": lambda values: np.maximum(values, 0),
}


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear map after the pooling. ``weight`` is (outputs, inputs)."""

    weight: np.ndarray
    bias: np.ndarray | None
    activation: str

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(…, inputs) to (…, outputs)."""
        mapped = vectors @ self.weight.T
        if self.bias is not None:
            mapped = mapped + self.bias
        found: np.ndarray = _ACTIVATIONS[self.activation](mapped)
        return found


@dataclass(frozen=True)
class Pooling:
    """How a checkpoint makes one vector of a text.

    Attributes:
        modes: one or several of `MODES`; the vectors of several stand one after another.
        normalise: whether the vector is brought to length 1.
        dense: linear maps between the two.
        max_length: tokens in a window, where the checkpoint says so.
        prompts: what is put before texts, by the name of the occasion.
        default_prompt: the name of the prompt for a text where none is asked for.
        measure: how vectors are compared: ``cosine`` or ``dot``.
    """

    modes: tuple[str, ...] = ("mean",)
    normalise: bool = False
    dense: tuple[Dense, ...] = ()
    max_length: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    measure: str = "cosine"

    def __post_init__(self) -> None:
        if not self.modes:
            raise InputError(f"pooling needs a mode; there are: {', '.join(MODES)}")
        for mode in self.modes:
            if mode not in MODES:
                raise InputError(f"no pooling {mode!r}; there are: {', '.join(MODES)}{near(mode, MODES)}")
        if self.measure not in _MEASURES:
            raise InputError(f"no measure {self.measure!r}; there are: {', '.join(_MEASURES)}")

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(tokens, width) of one text, special tokens included, to its vector."""
        parts = [_pooled(vectors.astype(np.float64), mode) for mode in self.modes]
        vector = np.concatenate(parts)
        for layer in self.dense:
            vector = layer(vector)
        if self.normalise:
            vector = normalised(vector)
        found: np.ndarray = vector.astype(np.float32)
        return found

    def prompt(self, name: str | None) -> str:
        """What is put before a text.

        Raises:
            InputError: the checkpoint has no prompt of that name.
        """
        wanted = self.default_prompt if name is None else name
        if wanted is None:
            return ""
        if wanted not in self.prompts:
            known = list(self.prompts)
            raise InputError(
                f"no prompt {wanted!r}; this checkpoint has: {', '.join(known) or 'none'}{near(wanted, known)}"
            )
        return self.prompts[wanted]

    @property
    def fingerprint(self) -> str:
        """16 hex digits that two poolings share when they make the same vectors."""
        layers = [
            [layer.activation, list(layer.weight.shape), float(np.abs(layer.weight).sum())] for layer in self.dense
        ]
        return fingerprint_of([self.modes, self.normalise, layers, dict(self.prompts), self.default_prompt])[:16]


def read_pooling(folder: Path) -> Pooling:
    """What a model folder says of pooling.

    Raises:
        CheckpointError: a step is of a kind that is not known here, or a file is damaged; leaving it out would give
            other vectors.
    """
    if not (folder / "modules.json").is_file():
        return Pooling()
    steps = _read(folder / "modules.json")
    if not isinstance(steps, list):
        raise CheckpointError(f"{folder / 'modules.json'} must hold a list of steps")
    modes: tuple[str, ...] = ("mean",)
    dense: list[Dense] = []
    normalise = False
    for number, step in enumerate(steps):
        kind = str(step.get("type", "")).rpartition(".")[2]
        where = folder / str(step.get("path", ""))
        if normalise or (kind == "Pooling" and dense):
            raise CheckpointError(f"step {number} of {folder / 'modules.json'}, {kind}, comes too late to be followed")
        if kind == "Pooling":
            modes = _modes(_read(where / "config.json"), where)
        elif kind == "Dense":
            dense.append(_read_dense(where))
        elif kind == "Normalize":
            normalise = True
        elif kind != "Transformer":
            raise CheckpointError(
                f"step {number} of {folder / 'modules.json'} is a {kind or 'step without a type'}; known are: "
                "Transformer, Pooling, Dense, Normalize"
            )
    transformer = _read(folder / "sentence_bert_config.json")
    settings = _read(folder / "config_sentence_transformers.json")
    measure = settings.get("similarity_fn_name") or "cosine"
    if measure not in _MEASURES:
        raise CheckpointError(f"{folder} compares vectors by {measure!r}; known are: {', '.join(_MEASURES)}")
    return Pooling(
        modes=modes,
        normalise=normalise,
        dense=tuple(dense),
        max_length=transformer.get("max_seq_length"),
        prompts={name: text for name, text in (settings.get("prompts") or {}).items() if text},
        default_prompt=settings.get("default_prompt_name"),
        measure=measure,
    )


def _modes(config: Mapping[str, Any], where: Path) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    if named is not None:
        names = [named] if isinstance(named, str) else list(named)
        return tuple(_NAMES.get(name, name) for name in names)
    modes = tuple(mode for key, mode in _KEYS.items() if config.get(key))
    unknown = [key for key, value in config.items() if key.startswith("pooling_mode_") and value and key not in _KEYS]
    if unknown or not modes:
        what = f"asks for {', '.join(unknown)}" if unknown else "asks for no pooling"
        raise CheckpointError(f"{where / 'config.json'} {what}; known are: {', '.join(_KEYS)}")
    return modes


def _read_dense(where: Path) -> Dense:
    from safetensors.numpy import load_file

    config = _read(where / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.linear.Identity")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise CheckpointError(
            f"the dense layer in {where} has the activation {activation}; known are: {', '.join(_ACTIVATIONS)}"
        )
    file = where / "model.safetensors"
    if not file.is_file():
        raise CheckpointError(f"the dense layer in {where} has no model.safetensors")
    tensors = load_file(file)
    return Dense(tensors["linear.weight"], tensors.get("linear.bias"), activation)


def _read(file: Path) -> Any:
    if not file.is_file():
        return {}
    try:
        return read_json(file)
    except ValueError as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error


def _pooled(vectors: np.ndarray, mode: str) -> np.ndarray:
    pooled: np.ndarray
    if mode == "cls":
        pooled = vectors[0]
    elif mode == "last":
        pooled = vectors[-1]
    elif mode == "max":
        pooled = vectors.max(axis=0)
    elif mode == "mean":
        pooled = vectors.mean(axis=0)
    elif mode == "mean_sqrt_len":
        pooled = vectors.sum(axis=0) / np.sqrt(len(vectors))
    else:
        weights = np.arange(1, len(vectors) + 1, dtype=np.float64)
        pooled = weights @ vectors / weights.sum()
    return pooled
