"""``config.json``, read and written: typed fields with the defaults of the model type, and everything else kept."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from enfold.errors import CheckpointError, InputError
from enfold.files import read_json, write_json

__all__ = ["PreTrainedConfig", "read_config_file"]

_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")


class PreTrainedConfig:
    """The settings of a model, as its ``config.json`` holds them.

    A subclass names its fields with their defaults as class annotations. A key that is not a field is kept as
    an attribute and written back, so that nothing is lost between reading and saving.

    Attributes:
        refused: fields that would change the output, with the values that are honoured.
        aliases: the usual names of fields that this model type calls otherwise, such as ``hidden_size``.
        default_num_labels: how many outputs a classifier has where nothing says so.
        id2label: the name of each output; its length is ``num_labels``.
        problem_type: which loss ``labels=`` asks for: ``regression``, ``single_label_classification`` or
            ``multi_label_classification``; None lets the first labels decide.
        dtype: the name of the weights' precision, such as ``float32``; ``torch_dtype`` is the same, older.
    """

    model_type: ClassVar[str] = ""
    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    aliases: ClassVar[Mapping[str, str]] = {}
    default_num_labels: ClassVar[int] = 2

    architectures: list[str] | None = None
    output_hidden_states: bool = False
    output_attentions: bool = False
    return_dict: bool = True
    dtype: str | None = None
    chunk_size_feed_forward: int = 0
    is_encoder_decoder: bool = False
    id2label: dict[int, str] | None = None
    label2id: dict[str, int] | None = None
    problem_type: str | None = None

    def __init__(self, **values: Any) -> None:
        """Take fields by name; unknown names are kept.

        Raises:
            InputError: a value asks for something this model type does not do here; all such are named.
        """
        num_labels = values.pop("num_labels", None)
        older = values.pop("torch_dtype", None)
        if values.get("dtype") is None and older is not None:
            values["dtype"] = older
        values.pop("model_type", None)
        for usual, own in self.aliases.items():
            if usual in values:
                values.setdefault(own, values[usual])
                del values[usual]
        for name in self.field_names():
            setattr(self, name, copy.deepcopy(values.pop(name, getattr(type(self), name))))
        self._extra = tuple(values)
        for name, value in values.items():
            setattr(self, name, copy.deepcopy(value))
        if self.dtype is not None:
            self.dtype = str(self.dtype).removeprefix("torch.")
        if self.id2label is not None:
            self.id2label = {int(key): str(name) for key, name in self.id2label.items()}
        if self.id2label is None or num_labels not in (None, len(self.id2label)):
            self.num_labels = self.default_num_labels if num_labels is None else num_labels
        elif self.label2id is None:
            self.label2id = {name: number for number, name in self.id2label.items()}
        self._validate()

    def __getattr__(self, name: str) -> Any:
        own = type(self).aliases.get(name)
        if own is None:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return getattr(self, own)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(type(self).aliases.get(name, name), value)

    @classmethod
    def field_names(cls) -> list[str]:
        """The names of all fields, those of this model type last."""
        names: dict[str, None] = {}
        for owner in reversed(cls.__mro__):
            for name, kind in inspect.get_annotations(owner).items():
                if not str(kind).startswith("ClassVar"):
                    names[name] = None
        return list(names)

    def _validate(self) -> None:
        faults = [
            f"{name}={getattr(self, name)!r} is not supported for model type {self.model_type!r} "
            f"(only {' or '.join(map(repr, allowed))})"
            for name, allowed in self.refused.items()
            if hasattr(self, name) and getattr(self, name) not in allowed
        ]
        if self.problem_type is not None and self.problem_type not in _PROBLEM_TYPES:
            faults.append(f"problem_type={self.problem_type!r} must be one of {', '.join(_PROBLEM_TYPES)}")
        if self.problem_type == "single_label_classification" and self.num_labels == 1:
            faults.append("problem_type='single_label_classification' needs at least 2 labels; it has 1")
        if faults:
            raise InputError("; ".join(faults))

    @property
    def num_labels(self) -> int:
        """The number of outputs of a classification head."""
        return len(self.id2label or {})

    @num_labels.setter
    def num_labels(self, number: int) -> None:
        if self.id2label is None or len(self.id2label) != number:
            self.id2label = {index: f"LABEL_{index}" for index in range(number)}
            self.label2id = {name: index for index, name in self.id2label.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> PreTrainedConfig:
        """Build from the contents of a ``config.json``; ``overrides`` win.

        Raises:
            InputError: an override is neither a field nor a key of the file.
        """
        unknown = [name for name in overrides if name not in {*cls.field_names(), *cls.aliases, *values, "num_labels"}]
        if unknown:
            raise InputError(
                f"from_pretrained does not take {', '.join(map(repr, unknown))}: no such key in the config"
            )
        named = {"id2label", "label2id"}
        number = overrides.get("num_labels")
        if named & overrides.keys() or number not in (None, len(values.get("id2label") or ())):
            values = {key: value for key, value in values.items() if key not in named}
        if "label2id" in overrides and "id2label" not in overrides:
            overrides["id2label"] = {number: name for name, number in overrides["label2id"].items()}
        return cls(**{**values, **overrides})

    @classmethod
    def from_pretrained(cls, reference: str | Path, *, revision: str | None = None, **overrides: Any) -> Any:
        """Read the ``config.json`` of a model folder or of any reference that ``enfold.hub`` knows.

        Raises:
            CheckpointError: there is no ``config.json``, it is not JSON, or it is of another model type.
        """
        from enfold.models.quantised import original_config
        from enfold.models.sources import stored_config
        from enfold.models.weights import find_model

        values = original_config(stored_config(find_model(reference, revision).path))
        found = values.get("model_type", cls.model_type)
        if found != cls.model_type:
            raise CheckpointError(f"{reference} holds a model of type {found!r}, not {cls.model_type!r}")
        return cls.from_dict(values, **overrides)

    def to_dict(self) -> dict[str, Any]:
        """All fields and all kept keys, ready for JSON."""
        values = {name: copy.deepcopy(getattr(self, name)) for name in (*self.field_names(), *self._extra)}
        return {"model_type": self.model_type, **values}

    def to_json(self) -> dict[str, Any]:
        """What ``config.json`` gets: as ``to_dict``, without common fields that stand at their defaults."""
        values = self.to_dict()
        common = set(PreTrainedConfig.field_names())
        for name in common:
            if values[name] == getattr(PreTrainedConfig, name):
                del values[name]
        if values.get("id2label") == {0: "LABEL_0", 1: "LABEL_1"}:
            del values["id2label"], values["label2id"]
        if "id2label" in values:
            values["id2label"] = {str(key): name for key, name in values["id2label"].items()}
        if self.dtype is not None:
            values["torch_dtype"] = self.dtype
        return dict(sorted(values.items()))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` into ``folder``."""
        write_json(Path(folder) / "config.json", self.to_json())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PreTrainedConfig) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(self.to_json(), indent=2, default=str)}"


def read_config_file(folder: Path) -> dict[str, Any]:
    """The contents of ``config.json`` in a model folder.

    Raises:
        CheckpointError: it is not there, or is not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"no config.json in {folder}; a model folder holds config.json and *.safetensors")
    try:
        values = read_json(path)
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must hold a JSON object; it holds a {type(values).__name__}")
    return values
