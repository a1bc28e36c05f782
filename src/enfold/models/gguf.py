"""GGUF files as model folders: a config, tensors under the names of ``transformers``, and the tokenizer's metadata.

Quantised tensors are dequantised to float32 one at a time, when they are asked for, by the ``gguf`` package of
llama.cpp's authors, so that the values are theirs bit for bit.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from enfold.errors import CheckpointError, near, require
from enfold.hub.gguf import GgufFile, GgufTensor
from enfold.models.gguf_tables import ARCHITECTURES, DERIVED, TRANSFORMS, Architecture

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GgufCheckpoint"]

_SPECIAL = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The constants of Llama 3.1's rope scaling, the same in every published config."""


class GgufCheckpoint:
    """A GGUF file; has what ``weights.Checkpoint`` has, and the config that a folder would hold beside it.

    Attributes:
        file: the open file.
        folder: where it lies.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file, and check that all of it can be read.

        Raises:
            MissingExtra: the ``gguf`` package is not installed.
            CheckpointError: the file is damaged or cut short, of an unknown architecture, has a tensor that this
                architecture does not have, or one in a quantisation that cannot be read.
        """
        self._quants = require("gguf", extra="gguf", purpose="reading a GGUF file")
        self.file = GgufFile(path)
        self.folder = self.file.path.parent
        self._architecture = self._find_architecture()
        self._tensors = self._by_own_names()
        self._check_kinds()

    @property
    def names(self) -> list[str]:
        """The names of all tensors, as a model has them."""
        return list(self._tensors)

    def tensor(self, name: str) -> Tensor:
        """A tensor by the model's name, in float32; one stored in float32 stays in the file until its values are
        needed.

        Raises:
            CheckpointError: the file has no such tensor.
        """
        if name not in self._tensors:
            raise CheckpointError(f"{self.file.path} has no tensor {name!r}{near(name, self.names)}")
        stored = self._tensors[name]
        transform = self._architecture.transform_of(stored.name)
        values = torch.from_numpy(self._values(stored))
        return values if transform is None else TRANSFORMS[transform](values, self._config).contiguous()

    def tokenizer_metadata(self) -> dict[str, Any]:
        """What the file says of its tokenizer: the keys ``tokenizer.ggml.*`` and the chat templates."""
        return self.file.tokenizer_metadata()

    def config_values(self) -> dict[str, Any]:
        """The config as ``config.json`` would hold it, with ``model_type``.

        Raises:
            CheckpointError: a value is missing, or one would change the output and cannot be honoured.
        """
        return dict(self._config)

    # ---- names and values -------------------------------------------------------------------------------------------

    def _find_architecture(self) -> Architecture:
        name = self.file.architecture
        if name == "llama" and self._is_mistral():
            name = "mistral"
        if name not in ARCHITECTURES:
            known = sorted(ARCHITECTURES)
            raise CheckpointError(
                f"{self.file.path} is of the architecture {name!r}; known are: {', '.join(known)}{near(name, known)}"
            )
        return ARCHITECTURES[name]

    def _is_mistral(self) -> bool:
        called = " ".join(str(self.file.metadata.get(f"general.{key}", "")) for key in ("name", "basename"))
        return "mistral" in called.lower()

    def _by_own_names(self) -> dict[str, GgufTensor]:
        found, unknown = {}, []
        for name, tensor in self.file.tensors.items():
            own = self._architecture.own_name(name)
            if own is not None:
                found[own] = tensor
            elif name not in DERIVED:
                unknown.append(name)
        if unknown:
            shown = ", ".join(unknown[:8]) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
            raise CheckpointError(
                f"{self.file.path} has tensors that the architecture {self.file.architecture!r} does not have: {shown}"
            )
        if self._is_copy_of_embeddings("output.weight"):
            del found["lm_head.weight"]
        return found

    def _is_copy_of_embeddings(self, name: str) -> bool:
        """Whether the map to the vocabulary is the table of word vectors once more, which some files repeat."""
        output, table = self.file.tensors.get(name), self.file.tensors.get("token_embd.weight")
        if output is None or table is None or (output.kind, output.shape) != (table.kind, table.shape):
            return False
        return bool(np.array_equal(self._bytes(output), self._bytes(table)))

    def _check_kinds(self) -> None:
        """One block of each kind is dequantised, so that one that cannot be is known before the first tensor."""
        first: dict[str, GgufTensor] = {}
        for tensor in self.file.tensors.values():
            first.setdefault(tensor.kind, tensor)
        for kind, tensor in first.items():
            try:
                self._dequantised(np.zeros(self._quants.GGML_QUANT_SIZES[self._kind(tensor)][1], np.uint8), tensor)
            except (NotImplementedError, KeyError, ValueError):
                raise CheckpointError(
                    f"tensor {tensor.name!r} of {self.file.path} is quantised as {kind}, which cannot be read; take a "
                    "file in F32, F16, BF16, Q8_0, Q4_0, Q4_1 or a K-quant"
                ) from None

    def _kind(self, tensor: GgufTensor) -> Any:
        return self._quants.GGMLQuantizationType(tensor.number)

    def _bytes(self, tensor: GgufTensor) -> NDArray[np.uint8]:
        return np.frombuffer(self.file.bytes, np.uint8, tensor.size, tensor.start)

    def _dequantised(self, stored: NDArray[np.uint8], tensor: GgufTensor) -> NDArray[np.float32]:
        return self._quants.dequantize(stored, self._kind(tensor))

    def _values(self, tensor: GgufTensor) -> NDArray[np.float32]:
        rows = math.prod(tensor.shape[:-1])
        return self._dequantised(self._bytes(tensor).reshape(rows, -1), tensor).reshape(tensor.shape)

    # ---- the config -------------------------------------------------------------------------------------------------

    def _metadata(self, key: str) -> Any:
        return self.file.metadata.get(f"{self.file.architecture}.{key}")

    @cached_property
    def _config(self) -> dict[str, Any]:
        table = self._architecture
        self._refuse(table.refused)
        missing = [key for key in table.keys.values() if self._metadata(key) is None]
        if missing or "token_embd.weight" not in self.file.tensors:
            lacking = [f"{self.file.architecture}.{key}" for key in missing] or ["the tensor token_embd.weight"]
            raise CheckpointError(f"{self.file.path} lacks {', '.join(lacking)}")
        config: dict[str, Any] = {"model_type": table.model_type}
        config |= {own: self._single(key) for own, key in table.keys.items()}
        for own, (key, default) in table.defaults.items():
            config[own] = default if self._metadata(key) is None else self._single(key)
        config |= table.constants
        config |= {own: name in self.file.tensors for own, name in table.biases.items()}
        config["vocab_size"] = self.file.tensors["token_embd.weight"].shape[0]
        config["tie_word_embeddings"] = "lm_head.weight" not in self._tensors
        for own, role in _SPECIAL.items():
            config[own] = self.file.metadata.get(f"tokenizer.ggml.{role}_token_id")
        if "rope_theta" in config:
            self._fill_heads_and_positions(config)
        return config

    def _single(self, key: str) -> Any:
        """A value of the metadata; a list with one for each layer must say the same of all of them."""
        value = self._metadata(key)
        if isinstance(value, list):
            if len(set(value)) != 1:
                raise CheckpointError(
                    f"{self.file.path} has another {self.file.architecture}.{key} in each layer, which is not supported"
                )
            return value[0]
        return value

    def _refuse(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            value = self._metadata(key)
            if value not in (None, 0, False):
                raise CheckpointError(
                    f"{self.file.path} asks for {self.file.architecture}.{key} = {value!r}, which the model type "
                    f"{self._architecture.model_type!r} does not have"
                )

    def _fill_heads_and_positions(self, config: dict[str, Any]) -> None:
        if config["num_key_value_heads"] is None:
            config["num_key_value_heads"] = config["num_attention_heads"]
        rotated = self._metadata("rope.dimension_count")
        if config["head_dim"] is None:
            config["head_dim"] = rotated or config["hidden_size"] // config["num_attention_heads"]
        if rotated not in (None, config["head_dim"]):
            raise CheckpointError(
                f"{self.file.path} rotates {rotated} of {config['head_dim']} values of a head "
                f"({self.file.architecture}.rope.dimension_count), which {config['model_type']!r} does not"
            )
        values = self._metadata("attention.value_length")
        if values not in (None, config["head_dim"]):
            raise CheckpointError(
                f"{self.file.path} has heads of {config['head_dim']} for keys and {values} for values, which the model "
                f"type {config['model_type']!r} does not have"
            )
        config["rope_scaling"] = self._rope_scaling(config)

    def _rope_scaling(self, config: dict[str, Any]) -> dict[str, Any] | None:
        if "rope_freqs.weight" in self.file.tensors:
            return self._llama3_scaling(config)
        kind = self._metadata("rope.scaling.type") or "none"
        # Files older than the key above have only the factor.
        factor = self._metadata("rope.scaling.factor") or self._metadata("rope.scale_linear")
        if self._metadata("rope.scaling.type") is None and factor not in (None, 0, 1):
            kind = "linear"
        if kind == "none" or (kind == "linear" and factor in (None, 0, 1)):
            return None
        if kind == "linear":
            return {"rope_type": "linear", "factor": factor}
        if kind != "yarn" or not factor:
            raise CheckpointError(f"{self.file.path} scales its positions by {kind!r}, which is not supported for GGUF")
        self._refuse(
            ("rope.scaling.yarn_ext_factor", "rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_attn_factor")
        )
        scaling = {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": self._metadata("rope.scaling.original_context_length"),
            "beta_fast": self._metadata("rope.scaling.yarn_beta_fast"),
            "beta_slow": self._metadata("rope.scaling.yarn_beta_slow"),
        }
        strength = self._metadata("rope.scaling.attn_factor")
        if strength not in (None, 1):
            # llama.cpp multiplies this by YaRN's own 0.1 ln s + 1 (Peng et al., 2023, equation 22).
            scaling["attention_factor"] = strength * (0.1 * math.log(factor) + 1)
        return {key: value for key, value in scaling.items() if value is not None}

    def _llama3_scaling(self, config: dict[str, Any]) -> dict[str, Any] | None:
        """Llama 3.1's scaling, which files hold only as the factor of each frequency.

        The factor itself is that of the slowest frequency; whether the published constants made the others is checked.
        """
        stored = self._values(self.file.tensors["rope_freqs.weight"]).astype(np.float64).ravel()
        half = config["head_dim"] // 2
        if stored.size == half and np.all(stored == 1):
            return None
        scaling = {"rope_type": "llama3", "factor": float(stored.max(initial=1.0)), **_LLAMA3}
        if stored.size != half or not np.allclose(stored, _llama3_factors(config, scaling), rtol=1e-3):
            raise CheckpointError(
                f"{self.file.path} scales its positions by factors (rope_freqs.weight) that are not those of Llama "
                "3.1, which is not supported"
            )
        return scaling


def _llama3_factors(config: dict[str, Any], scaling: dict[str, Any]) -> NDArray[np.float64]:
    """By what each frequency is divided: by nothing where it is fast, by the factor where it is slow, and in between by
    something in between.
    """
    width = config["head_dim"]
    wavelengths = 2 * math.pi * config["rope_theta"] ** (np.arange(0, width, 2) / width)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = (scaling["original_max_position_embeddings"] / wavelengths - low) / (high - low)
    smooth = np.clip(smooth, 0.0, 1.0)
    return 1 / ((1 - smooth) / scaling["factor"] + smooth)
