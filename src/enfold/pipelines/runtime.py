"""What runs the model behind a pipeline: token ids in, arrays out.

A pipeline is NumPy before and after the model. The runtime in the middle is the one part that knows an
engine; torch is imported by :class:`TorchRuntime` alone, when it first runs. What a task needs of a runtime is
in `enfold.pipelines.runtime_protocols`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from enfold.errors import InputError
from enfold.pipelines.runtime_protocols import Runtime
from enfold.values import Encoding, LabelSet

if TYPE_CHECKING:
    import numpy as np

    from enfold.text import Tokenizer

__all__ = ["TorchRuntime", "heads_of", "runtime_for"]


def heads_of(model: Any) -> set[str]:
    """The heads a model serves as, by the ends of the names of ``AutoModelFor…``; empty for a stack without a head.

    A family may call its class otherwise than the task: ``WithLMHeadModel`` for ``ForMaskedLM``.
    """
    suffix = getattr(model, "suffix", "")
    tasks = getattr(getattr(model, "family", None), "tasks", {})
    return {name for name in (suffix, *(task for task, own in tasks.items() if own == suffix)) if "For" in name}


def runtime_for(model: Any, protocol: type, tokenizer: Tokenizer, *, task: str, heads: Sequence[str] = ()) -> Any:
    """The runtime a pipeline runs on: the one it was given, or torch with the model it was given.

    Args:
        model: a model of Enfold, or a runtime.
        protocol: what the task needs, such as `TokenRuntime`.
        tokenizer: says whether the model reads token types.
        task: for the message.
        heads: suffixes of the classes of models that fit, such as ``ForTokenClassification``; any where empty.

    Raises:
        InputError: the runtime or the model's head is of another kind.
    """
    if isinstance(model, protocol):
        return model
    if isinstance(model, Runtime):
        needed = sorted(name for name in vars(protocol) if not name.startswith("_"))
        raise InputError(f"{task} needs a runtime with {', '.join(needed)}; {type(model).__name__} lacks it")
    if heads and hasattr(model, "suffix") and not heads_of(model).intersection(heads):
        raise InputError(
            f"{task} needs a model with the head {' or '.join(heads)}; this one is a {type(model).__name__}: "
            f"load it with AutoModel{heads[0]}"
        )
    names = getattr(model, "input_names", ("token_type_ids",))
    takes = names() if callable(names) else names
    return TorchRuntime(
        model, token_types="token_type_ids" in tokenizer.model_input_names and "token_type_ids" in takes
    )


class TorchRuntime:
    """A model of Enfold, run on packed tokens without gradients.

    The model is used as it is, on the device and in the precision it has. Dropout never runs: a model in
    training mode is switched to evaluation for the call and back after it.

    Args:
        model: with whatever head the task needs.
        token_types: whether the model is told which text of a pair a token is of; a family without such a table
            takes none.
    """

    def __init__(self, model: Any, *, token_types: bool = True) -> None:
        self._model = model
        self._token_types = token_types
        self._switching = threading.Lock()
        self._running = 0
        self._in_training: list[Any] = []

    @property
    def labels(self) -> LabelSet:
        """The model's labels; ``LABEL_0``, ``LABEL_1``, … where its configuration names none."""
        labels: LabelSet | None = self._model.labels
        if labels:
            return labels
        return LabelSet(tuple(f"LABEL_{number}" for number in range(int(self._model.config.num_labels))))

    @property
    def problem_type(self) -> str:
        """What the outputs of a sequence classifier are, as `transformers` reads its configuration."""
        known = getattr(self._model.config, "problem_type", None)
        return known or ("regression" if int(self._model.config.num_labels) == 1 else "single_label_classification")

    @property
    def revision(self) -> str:
        """The model's revision."""
        return str(self._model.revision)

    @property
    def max_length(self) -> int | None:
        """What the model says its context is; else the number of positions it has embeddings for."""
        if hasattr(self._model, "context_length"):
            length = self._model.context_length
        else:
            length = getattr(self._model.config, "max_position_embeddings", None)
        return int(length) if length and length > 0 else None

    def logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """One row a sequence: float32, *shape* ``(len(encodings), labels)``."""
        with self._inference():
            return _array(self._model(**self._packed(encodings)).logits)

    def token_logits(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """One row a token: of each encoding float32, *shape* ``(tokens, labels)``."""
        with self._inference():
            return _apart(_array(self._model(**self._packed(encodings)).logits), encodings)

    def span_logits(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Start and end scores: of each encoding float32, *shape* ``(tokens, 2)``."""
        import torch

        with self._inference():
            output = self._model(**self._packed(encodings))
            return _apart(_array(torch.stack((output.start_logits, output.end_logits), dim=-1)), encodings)

    def hidden_states(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """What the stack below the head makes of each token: of each encoding float32, *shape* ``(tokens, width)``.

        Of two stacks it is the decoder, which reads the text again, shifted; the encoder where models of the family are
        not trained to do that.
        """
        packed = self._packed(encodings)
        encoder = getattr(self._model, "is_encoder_decoder", False) and not self._model.family.restores
        if encoder:
            packed |= {"decoder_input_ids": packed["input_ids"], "decoder_layout": packed["layout"]}
        with self._inference():
            output = self._model.base_model(**packed)
            states = output.encoder_last_hidden_state if encoder else output.last_hidden_state
            return _apart(_array(states), encodings)

    def vocabulary_logits(self, encodings: Sequence[Encoding], places: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Scores of the vocabulary: of each encoding float32, *shape* ``(its places, vocabulary)``.

        The head runs at these places alone: the vocabulary is most of what a masked language model computes.
        """
        import torch

        starts = _starts(encodings)
        flat = [start + place for start, of_one in zip(starts, places, strict=True) for place in of_one]
        with self._inference():
            index = torch.tensor(flat, dtype=torch.long, device=self._model.device)
            states = self._model.packed_states(**self._packed(encodings))
            found = _array(self._model.vocabulary_scores(states[index]))
        ends = [0]
        for of_one in places:
            ends.append(ends[-1] + len(of_one))
        return [found[start:end] for start, end in pairwise(ends)]

    def choice_logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """One score a sequence: float32, *shape* ``(len(encodings),)``.

        A multiple-choice head takes padded rows; each is scored by itself, so all of a batch go as one example.
        """
        import torch

        longest = max(len(encoding) for encoding in encodings)
        pad = getattr(self._model.config, "pad_token_id", None) or 0
        shape = (1, len(encodings), longest)
        ids = torch.full(shape, pad, dtype=torch.long)
        mask, types = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        for row, encoding in enumerate(encodings):
            ids[0, row, : len(encoding)] = torch.tensor(encoding.ids)
            types[0, row, : len(encoding)] = torch.tensor(encoding.type_ids)
            mask[0, row, : len(encoding)] = 1
        device = self._model.device
        with self._inference():
            given = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
            if self._token_types:
                given["token_type_ids"] = types.to(device)
            return _array(self._model(**given).logits)[0]

    def _packed(self, encodings: Sequence[Encoding]) -> dict[str, Any]:
        from enfold.layers.packing import pack

        types = [encoding.type_ids for encoding in encodings] if self._token_types else None
        packed = pack([encoding.ids for encoding in encodings], types, device=self._model.device)
        given = {"input_ids": packed.input_ids, "layout": packed.layout}
        if self._token_types:
            given["token_type_ids"] = packed.token_type_ids
        return given

    @contextmanager
    def _inference(self) -> Iterator[None]:
        import torch

        with self._evaluating(), torch.inference_mode():
            yield

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        # The mode belongs to the model, not to the thread: the first call in switches it, the last out restores it.
        with self._switching:
            if not self._running:
                self._in_training = [module for module in self._model.modules() if module.training]
                for module in self._in_training:
                    module.training = False
            self._running += 1
        try:
            yield
        finally:
            with self._switching:
                self._running -= 1
                if not self._running:
                    for module in self._in_training:
                        module.training = True


def _array(values: Any) -> np.ndarray:
    found: np.ndarray = values.float().cpu().numpy()
    return found


def _starts(encodings: Sequence[Encoding]) -> list[int]:
    """Where each encoding begins among the packed tokens."""
    starts = [0]
    for encoding in encodings:
        starts.append(starts[-1] + len(encoding))
    return starts[:-1]


def _apart(values: np.ndarray, encodings: Sequence[Encoding]) -> list[np.ndarray]:
    """(tokens of all, …) as one (tokens, …) an encoding."""
    return [values[start : start + len(one)] for start, one in zip(_starts(encodings), encodings, strict=True)]
