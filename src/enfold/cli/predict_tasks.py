"""What ``enfold predict --task`` knows of each task: its options, how it is called, how an answer is printed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from enfold.cli.printing import one_line
from enfold.errors import InputError
from enfold.values import (
    AnswerPrediction,
    ClassPrediction,
    EntityPrediction,
    FeaturesPrediction,
    MaskPrediction,
    MultiLabelPrediction,
    Prediction,
    RegressionPrediction,
    ReplyPrediction,
    SearchPrediction,
    SimilarityPrediction,
    StatePrediction,
    WrittenPrediction,
    ZeroShotPrediction,
)

__all__ = ["TaskOptions", "answers", "line_of", "row_of"]

_WIDTH = 80


@dataclass(frozen=True)
class TaskOptions:
    """The options of the command that only some tasks take; what was not given is None or empty."""

    question: str | None = None
    candidates: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    top_k: int | None = None
    aggregation: str | None = None
    multi_label: bool = False
    no_answer: bool = False
    truncate: bool = False
    source: str | None = None
    target: str | None = None
    max_new_tokens: int | None = None
    beams: int | None = None

    def settings(self, task: str) -> dict[str, Any]:
        """What the pipeline of the task is made with.

        Raises:
            InputError: an option does not go with the task, or one that it needs is missing.
        """
        takes, needs = _OPTIONS.get(task, ((), ()))
        for field in fields(self):
            given, name = getattr(self, field.name), _FLAGS[field.name]
            if given and field.name not in takes:
                known = ", ".join(_FLAGS[one] for one in takes) or "none of these options"
                raise InputError(f"{name} does not go with --task {task}, which takes {known}")
            if not given and field.name in needs:
                raise InputError(f"--task {task} needs {name}")
        settings: dict[str, Any] = {}
        if self.top_k is not None:
            settings["top_k"] = self.top_k
        if self.aggregation is not None:
            settings["aggregation_strategy"] = self.aggregation
        if self.no_answer:
            settings["no_answer"] = True
        for name in ("source", "target", "max_new_tokens"):
            if getattr(self, name) is not None:
                settings[name] = getattr(self, name)
        if self.beams is not None:
            settings["num_beams"] = self.beams
        if self.slots:
            settings["slots"] = dict(_slot(slot) for slot in self.slots)
        if task == "semantic-search":
            one = Path(self.candidates[0])
            settings["index"] = one if len(self.candidates) == 1 and one.is_dir() else list(self.candidates)
        return settings


_FLAGS = {
    "question": "--question",
    "candidates": "--candidate",
    "slots": "--slot",
    "top_k": "--top-k",
    "aggregation": "--aggregation",
    "multi_label": "--multi-label",
    "no_answer": "--no-answer",
    "truncate": "--truncate",
    "source": "--from",
    "target": "--to",
    "max_new_tokens": "--max-new-tokens",
    "beams": "--beams",
}
_WRITING = ("max_new_tokens", "beams")
_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text-classification": (("truncate",), ()),
    "zero-shot-classification": (("candidates", "multi_label"), ("candidates",)),
    "token-classification": (("aggregation", "truncate"), ()),
    "question-answering": (("question", "top_k", "no_answer"), ("question",)),
    "fill-mask": (("top_k",), ()),
    "feature-extraction": (("truncate",), ()),
    "sentence-similarity": (("candidates",), ("candidates",)),
    "semantic-search": (("candidates", "top_k"), ("candidates",)),
    "response-selection": (("candidates",), ("candidates",)),
    "dialogue-state-tracking": (("slots",), ("slots",)),
    "text-generation": (("truncate", *_WRITING), ()),
    "translation": (("source", "target", *_WRITING), ("source", "target")),
    "summarization": (("truncate", *_WRITING), ()),
    "text2text-generation": (("truncate", *_WRITING), ()),
}
"""Task to the options it takes, and to those it needs."""


def _slot(text: str) -> tuple[str, str]:
    name, separator, question = text.partition("=")
    if not separator or not name.strip():
        raise InputError(f"--slot {text} must be NAME=QUESTION, as in city='In which city?'")
    return name.strip(), question.strip()


def answers(pipeline: Any, task: str, texts: Iterable[str], options: TaskOptions) -> Iterator[tuple[str, Prediction]]:
    """Pair each text with its prediction, in order; the pipeline reads some texts ahead."""
    if task == "sentence-similarity":
        for text in texts:
            for candidate, prediction in zip(options.candidates, pipeline(text, list(options.candidates)), strict=True):
                yield f"{text}\t{candidate}", prediction
        return
    waiting: deque[str] = deque()

    def passing() -> Iterator[str]:
        for text in texts:
            waiting.append(text)
            yield text

    for prediction in _stream(pipeline, task, passing(), options):
        yield waiting.popleft(), prediction


def _stream(pipeline: Any, task: str, texts: Iterator[str], options: TaskOptions) -> Iterator[Prediction]:
    candidates = list(options.candidates)
    calls: dict[str, Callable[[], Iterator[Prediction]]] = {
        "zero-shot-classification": lambda: pipeline.stream(texts, candidates, multi_label=options.multi_label),
        "question-answering": lambda: pipeline.stream((options.question, text) for text in texts),
        "response-selection": lambda: pipeline.stream((text.splitlines() or [text], candidates) for text in texts),
    }
    if task in calls:
        return calls[task]()
    if "truncate" in _OPTIONS.get(task, ((), ()))[0]:
        found: Iterator[Prediction] = pipeline.stream(texts, truncation=options.truncate)
        return found
    return iter(pipeline.stream(texts))


# ---- answers as rows and as lines -----------------------------------------------------------------------------------

_ABOUT = ("tokens", "windows", "cut")
_LEFT_OUT = {"id", "model", "vectors", "offsets", *_ABOUT}


def row_of(text: str, prediction: Prediction) -> dict[str, Any]:
    """A prediction as a row of a table, or as a JSON object: the text, the answer, and how the text was read."""
    row: dict[str, Any] = {"text": text}
    if isinstance(prediction, SimilarityPrediction):
        row["text"], _, row["sentence"] = text.rpartition("\t")
    own = "written" if isinstance(prediction, WrittenPrediction) else "filled"
    for key, value in prediction.items():
        if key == "texts" and len(value) == 1:
            continue
        if key == "scores" and isinstance(value, dict):
            row.update({f"score_{label}": score for label, score in value.items()})
        elif key not in _LEFT_OUT:
            row[own if key == "text" else key] = _plain(value)
    if isinstance(prediction, StatePrediction):
        row["state"] = [{"slot": name, **_plain(value)} for name, value in prediction.state.items()]
    return {**row, **{name: prediction[name] for name in _ABOUT}}


def _plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def line_of(text: str, prediction: Prediction) -> str:
    """A prediction as a line, or several, for a person at a terminal."""
    shown = one_line(text, _WIDTH)
    match prediction:
        case ClassPrediction() | ZeroShotPrediction():
            return f"{one_line(prediction.label, _WIDTH)}  {prediction.score:.4f}  {shown}"
        case MultiLabelPrediction():
            said = ", ".join(f"{label} {prediction.scores[label]:.4f}" for label in prediction.labels)
            return f"{said or 'no label'}  {shown}"
        case RegressionPrediction():
            return f"{prediction.value:.4f}  {shown}"
        case EntityPrediction():
            found = [
                f"  {span.label}  {span.score:.4f}  {span.start}-{span.end}  {one_line(span.text, _WIDTH)}"
                for span in prediction.entities
            ]
            return "\n".join([shown, *(found or ["  nothing found"])])
        case AnswerPrediction(start=None):
            return f"no answer  {prediction.score:.4f}  {shown}"
        case AnswerPrediction():
            place = f"{prediction.start}-{prediction.end}"
            return f"{one_line(prediction.answer, _WIDTH)}  {prediction.score:.4f}  {place}  {shown}"
        case MaskPrediction():
            rows = [
                "  ".join(f"{one_line(one.token, 20)} {one.score:.4f}" for one in mask.candidates)
                for mask in prediction.masks
            ]
            return "\n".join([one_line(prediction.text, _WIDTH), *(f"  {row}" for row in rows)])
        case FeaturesPrediction():
            return f"{len(prediction.embedding)} numbers  {prediction.tokens} tokens  {shown}"
        case SimilarityPrediction():
            return f"{prediction.score:.4f}  {one_line(text.rpartition(chr(9))[2], _WIDTH)}"
        case SearchPrediction():
            hits = [f"  {hit.score:.4f}  {hit.number}  {one_line(hit.text, _WIDTH)}" for hit in prediction.hits]
            return "\n".join([shown, *hits])
        case ReplyPrediction():
            return f"{one_line(prediction.reply, _WIDTH)}  {prediction.score:.4f}  {shown}"
        case WrittenPrediction():
            return prediction.text
        case StatePrediction():
            known = "  ".join(
                f"{name}={one_line(value, 30)}" for name, value in prediction.state.values_by_name.items()
            )
            return f"{shown}\n  {known or 'nothing known'}"
    return json.dumps(row_of(text, prediction), ensure_ascii=False)
