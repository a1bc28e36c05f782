"""One specification for every family: what its models compute, how its folders and configs go both ways.

A family's test names its classes, at least three configurations, and what is particular; the checks come from here.
Classes that inherit from ``FamilyParity`` are run once for each of their heads, configurations and masks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
import transformers
from checkers import EXACT, Pair, assert_same_outputs, assert_same_state, attention_mask, make_pair
from file_checkers import (
    assert_config_round_trip,
    assert_reads_ours,
    assert_reads_theirs,
    assert_same_config_defaults,
    assert_same_files,
)
from self_checkers import assert_packed_is_padded, assert_same_in_training, assert_zeros_at_padding
from torch import Tensor

import enfold

ROWS, SEQ, DECODER_SEQ = 4, 9, 7
_WORDS = ("ForMaskedLM", "ForPreTraining", "ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "MTModel")
_NEXT = ("ForCausalLM", "LMHeadModel")
_PROMPT = 6  # places of a prompt; what is written must fit the smallest configurations too
_ENCODERS = ("EncoderModel", "ForTokenClassification")


class FamilyParity:
    """A family of single stacks.

    Attributes:
        prefix: the start of class names.
        heads: suffixes of class names.
        configs: by name, keys of ``config.json``; small, and as unlike each other as files are.
        masks: which masks are compared.
        more: further inputs: name to a function of (settings, shape, generator).
        no_dropout: keys that are set to 0 where training must equal evaluation.
        exact: the tolerance in float64.
        left_in_float64, right_in_float64: False where theirs takes a softmax in float32 of masks in float64, which
            leaves nothing: at the right only padding that sees a window is so blind.
        folders_mask: the mask of the inputs on which folders are compared.
    """

    prefix: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]
    configs: ClassVar[dict[str, dict[str, Any]]]
    masks: ClassVar[tuple[str, ...]] = ("none", "right", "left")
    no_dropout: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[float] = EXACT
    left_in_float64: ClassVar[bool] = True
    right_in_float64: ClassVar[bool] = True
    folders_mask: ClassVar[str] = "right"
    more: ClassVar[dict[str, Any]] = {}

    # ---- what is compared -------------------------------------------------------------------------------------------

    @classmethod
    def classes(cls, head: str) -> tuple[Any, Any]:
        """Our class and theirs."""
        return getattr(enfold, cls.prefix + head), getattr(transformers, cls.prefix + head)

    @classmethod
    def settings(cls, head: str, config: str, **more: Any) -> dict[str, Any]:
        """The keys of ``config.json``: classifiers have five outputs, question answering two."""
        labels = {"num_labels": 5} if "Classification" in head else {"num_labels": 2}
        return cls.configs[config] | labels | more

    @classmethod
    def pair(cls, head: str, config: str, **more: Any) -> Pair:
        """Both models with the same random weights."""
        return make_pair(*cls.classes(head), cls.settings(head, config, **more))

    @classmethod
    def inputs(cls, head: str, config: str, mask: str) -> dict[str, Any]:
        """What a head is compared on."""
        settings = cls.settings(head, config)
        generator = torch.Generator().manual_seed(5)
        shape = (ROWS, 2, SEQ) if head == "ForMultipleChoice" else (ROWS, SEQ)
        real = attention_mask(mask)
        if real is not None and head == "ForMultipleChoice":
            real = torch.stack([real, real.flip(0)], 1)
        inputs: dict[str, Any] = {"input_ids": cls.ids(settings, shape, generator, real)}
        if real is not None:
            inputs["attention_mask"] = real
        inputs |= {name: make(settings, shape, generator) for name, make in cls.more.items()}
        inputs |= cls.labels(head, settings, shape, real, generator)
        if cls.caches(head):
            inputs["use_cache"] = False
        return inputs

    @classmethod
    def caches(cls, head: str) -> bool:
        """Whether theirs returns a cache unless told not to."""
        return False

    @classmethod
    def tolerance(cls, head: str) -> float:
        """In float64; their loss of the next token is in float32 all the same."""
        return max(cls.exact, 1e-5) if head in _NEXT else cls.exact

    @classmethod
    def ids(cls, settings: dict[str, Any], shape: Any, generator: torch.Generator, real: Tensor | None) -> Tensor:
        """Random ids; the padding id stands at padding, and nowhere else."""
        ids = torch.randint(0, settings["vocab_size"], shape, generator=generator)
        pad = cls.pad_id(settings)
        if pad is None:
            return ids
        ids = torch.where(ids == pad, (pad + 1) % settings["vocab_size"], ids)
        return ids if real is None else ids.masked_fill(real == 0, pad)

    @classmethod
    def pad_id(cls, settings: dict[str, Any]) -> int | None:
        """The padding id of a configuration."""
        return settings.get("pad_token_id", getattr(cls.classes("Model")[1].config_class(), "pad_token_id", None))

    @classmethod
    def labels(
        cls, head: str, settings: dict[str, Any], shape: Any, real: Tensor | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """What makes a loss."""

        def numbers(high: int, *size: int) -> Tensor:
            return torch.randint(0, high, size, generator=generator)

        places = numbers(settings["vocab_size"] if head in _WORDS else 5, *shape)
        places = places.masked_fill(torch.rand(shape, generator=generator) < 0.3, -100)
        if real is not None:
            counted = real != 0
            if head in _NEXT:  # a label counts where the place before it is real
                counted = counted & (torch.nn.functional.pad(counted, (1, 0))[..., :-1])
            places = places.masked_fill(~counted, -100)
        if head.endswith(("Model", "Decoder")) and head not in ("LMHeadModel", "MTModel"):
            return {}
        if head == "ForSequenceClassification":
            return {"labels": numbers(5, shape[0])}
        if head in ("ForMultipleChoice", "ForNextSentencePrediction"):
            return {"labels": numbers(2, shape[0])}
        if head.startswith("ForQuestionAnswering"):
            return {"start_positions": torch.tensor([0, 3, 8, 5]), "end_positions": torch.tensor([SEQ, 5, 2, 2])}
        return {"labels": places}

    # ---- the specification ------------------------------------------------------------------------------------------

    def test_outputs_loss_gradients_and_states(self, head: str, config: str, mask: str) -> None:
        blind = mask == "left" or (mask == "right" and not self.right_in_float64)
        if self.caches(head) and head.startswith("ForQuestionAnswering") and blind:
            return  # theirs gives no number: the loss is over padding too, which sees nothing in a causal stack
        possible = {"left": self.left_in_float64, "right": self.right_in_float64}.get(mask, True)
        exact = self.tolerance(head) if possible else None
        assert_same_outputs(self.pair(head, config), self.inputs(head, config, mask), exact=exact)

    def test_folders_both_ways(self, head: str, config: str, tmp_path: Path) -> None:
        pair, inputs = self.pair(head, config), self.inputs(head, config, self.folders_mask)
        ours, theirs = self.classes(head)
        assert_reads_theirs(ours, pair, inputs, tmp_path / "theirs", exact=self.tolerance(head))
        assert_reads_ours(theirs, pair, inputs, tmp_path / "ours", exact=self.tolerance(head))
        assert_same_files(pair, tmp_path)

    def test_training_without_dropout_is_evaluation(self, head: str) -> None:
        config = next(iter(self.configs))
        pair = self.pair(head, config, **dict.fromkeys(self.no_dropout, 0.0))
        for checkpointing in (False, True):
            assert_same_in_training(pair.ours, self.inputs(head, config, "left"), checkpointing=checkpointing)

    def test_padding_comes_back_as_zeros_and_packed_is_padded(self, head: str) -> None:
        config = next(iter(self.configs))
        pair, inputs = self.pair(head, config), self.inputs(head, config, "right")
        assert_zeros_at_padding(pair.ours, inputs)
        if head != "ForMultipleChoice":
            inputs.pop("use_cache", None)
            assert_packed_is_padded(pair.ours, inputs, same_loss=not head.startswith("ForQuestionAnswering"))

    def test_both_have_the_same_names_shapes_and_shared_tensors_when_made_anew(self, head: str, config: str) -> None:
        own, other = self.classes(head)
        settings = self.settings(head, config)
        assert_same_state(own(own.config_class(**settings)), other(other.config_class(**settings)))

    def test_the_defaults_are_those_of_transformers(self) -> None:
        own, other = self.classes("Model")
        assert_same_config_defaults(own.config_class, other.config_class)

    def test_configs_both_ways(self, config: str, tmp_path: Path) -> None:
        own, other = self.classes("Model")
        assert_config_round_trip(own.config_class, other.config_class, self.configs[config], tmp_path)


class DecoderParity(FamilyParity):
    """A family of decoders: the cache, and writing, besides."""

    @classmethod
    def caches(cls, head: str) -> bool:
        return True

    def test_token_by_token_with_a_cache_is_all_at_once(self, config: str) -> None:
        head = next(head for head in self.heads if head in _NEXT)
        assert_decoding_is_forward(self.pair(head, config).ours, self.inputs(head, config, "left"))

    def test_writes_what_transformers_writes(self, config: str) -> None:
        head = next(head for head in self.heads if head in _NEXT)
        pad = self.pad_id(self.settings(head, config))
        assert_same_writing(self.pair(head, config), self.inputs(head, config, "left"), pad)


class PairParity(FamilyParity):
    """A family of encoder-decoders. Some heads have one of the stacks alone.

    Attributes:
        loud_words: what word vectors are multiplied by, where positions tell places apart too little.
    """

    loud_words: ClassVar[float] = 1.0

    @classmethod
    def pair(cls, head: str, config: str, **more: Any) -> Pair:
        pair = super().pair(head, config, **more)
        factor = 1.0 if cls.configs[config].get("scale_embedding") else cls.loud_words
        with torch.no_grad():
            for name, parameter in pair.theirs.named_parameters():  # shared ones come once
                if name.endswith(("shared.weight", "embed_tokens.weight")):
                    parameter *= factor
        pair.ours.load_state_dict(pair.theirs.state_dict())
        return pair

    @classmethod
    def caches(cls, head: str) -> bool:
        return head not in _ENCODERS

    @classmethod
    def inputs(cls, head: str, config: str, mask: str) -> dict[str, Any]:
        if head in (*_NEXT, *_ENCODERS):
            return super().inputs(head, config, mask)
        settings, generator = cls.settings(head, config), torch.Generator().manual_seed(6)
        real = attention_mask(mask)
        ids = cls.ids(settings, (ROWS, SEQ), generator, real)
        inputs: dict[str, Any] = {"input_ids": ids, "use_cache": False}
        if real is not None:
            inputs["attention_mask"] = real
        if head == "ForSequenceClassification":
            return inputs | cls._ended(settings, ids, real) | {"labels": torch.tensor([0, 4, 2, 1])}
        own = None if mask == "none" else attention_mask("right")[:, :DECODER_SEQ]
        inputs["decoder_input_ids"] = cls.ids(settings, (ROWS, DECODER_SEQ), generator, own)
        if own is not None:
            inputs["decoder_attention_mask"] = own
        if head.startswith("ForQuestionAnswering"):
            spans = {"start_positions": [0, 3, 6, 5], "end_positions": [DECODER_SEQ, 5, 2, 2]}
            return inputs | {name: torch.tensor(values) for name, values in spans.items()}
        labels = cls.labels(head, settings, (ROWS, DECODER_SEQ), own, generator)
        return inputs | labels

    @classmethod
    def _ended(cls, settings: dict[str, Any], ids: Tensor, real: Tensor | None) -> dict[str, Tensor]:
        """The ids with one end-of-text token in each row, at its last real place."""
        eos = settings.get("eos_token_id", cls.classes("Model")[1].config_class().eos_token_id)
        ids = torch.where(ids == eos, (eos + 1) % settings["vocab_size"], ids)
        places = torch.arange(SEQ) * (torch.ones(ROWS, SEQ, dtype=torch.long) if real is None else real)
        ids[torch.arange(ROWS), places.argmax(1)] = eos
        return {"input_ids": ids}

    def test_token_by_token_with_a_cache_is_all_at_once(self, config: str) -> None:
        head = next(head for head in self.heads if head in ("ForConditionalGeneration", "MTModel"))
        assert_pair_decoding_is_forward(self.pair(head, config).ours, self.inputs(head, config, "left"))

    def test_writes_what_transformers_writes(self, config: str) -> None:
        head = next(head for head in self.heads if head in ("ForConditionalGeneration", "MTModel"))
        pad = self.pad_id(self.settings(head, config))
        # Padded at the right: at the left, theirs begins to count places at the padding.
        assert_same_writing(self.pair(head, config), self.inputs(head, config, "right"), pad)


# ---- writing --------------------------------------------------------------------------------------------------------


def assert_decoding_is_forward(model: Any, inputs: dict[str, Any]) -> None:
    """Prompts of unlike lengths side by side, token by token: the scores of each row read alone and at once."""
    rows = _rows(inputs["input_ids"], inputs.get("attention_mask"))
    _compare(model, rows, lambda row: model(input_ids=torch.tensor([row])).logits[0], {})


def assert_pair_decoding_is_forward(model: Any, inputs: dict[str, Any]) -> None:
    """The same for a decoder that attends to what an encoder read."""
    read = _rows(inputs["input_ids"], inputs.get("attention_mask"))
    said = _rows(inputs["decoder_input_ids"], inputs.get("decoder_attention_mask"))

    def alone(row: list[int]) -> Tensor:
        own = torch.tensor([read[said.index(row)]])
        return model(input_ids=own, decoder_input_ids=torch.tensor([row])).logits[0]

    _compare(model, said, alone, {"encoder_ids": read})


@torch.no_grad()
def assert_same_writing(pair: Pair, inputs: dict[str, Any], pad_id: int | None) -> None:
    """Greedily and with three beams, token for token what theirs writes after a padded batch.

    The vocabulary's scores are scaled so that several tokens are likely, and rounding does not decide between them.
    """
    side = slice(-_PROMPT, None) if bool(inputs["attention_mask"][:, -1].all()) else slice(_PROMPT)
    given = {name: inputs[name][:, side] for name in ("input_ids", "attention_mask")}
    options = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0 if pad_id is None else pad_id}
    shown = {"return_dict_in_generate": True, "output_logits": True, "output_scores": True}
    spread = float(pair.theirs.generate(**given, **options | shown).logits[0].std())
    for model in (pair.ours, pair.theirs):
        model.get_output_embeddings().weight *= 4.0 / spread
    told = pair.theirs.generate(**given, **options, **shown)
    for scores in told.logits:
        assert_apart(scores.float().topk(2, -1).values)
    assert pair.ours.generate(**given, **options).tolist() == told.sequences.tolist()
    told = pair.theirs.generate(**given, **options, **shown, num_beams=3, num_return_sequences=2)
    assert_apart(told.sequences_scores.view(-1, 2), 1e-4)
    found = pair.ours.generate(**given, **options, num_beams=3, num_return_sequences=2)
    assert found[::2].tolist() == told.sequences[::2].tolist()


def assert_apart(best: Tensor, by: float = 1e-3) -> None:
    """In each row the best score is clearly better than the next, (rows, 2)."""
    least = float((best[:, 0] - best[:, 1]).min())
    assert least > by, f"the two best are only {least:.2g} apart, so rounding may decide: use other weights"


def _rows(ids: Tensor, mask: Tensor | None) -> list[list[int]]:
    return [
        row[own != 0].tolist() for row, own in zip(ids, torch.ones_like(ids) if mask is None else mask, strict=True)
    ]


@torch.no_grad()
def _compare(model: Any, rows: list[list[int]], alone: Any, more: dict[str, Any]) -> None:
    model = model.double()
    expected = [alone(row) for row in rows]
    steps = max(map(len, rows))
    cut = [max(1, len(row) // 2) for row in rows]
    decoding = model.begin_decoding([row[:own] for row, own in zip(rows, cut, strict=True)], room=1, **more)
    left = list(range(len(rows)))
    for _ in range(steps):
        for place, row in enumerate(left):
            scores = expected[row][decoding.lengths[place] - 1].float()
            torch.testing.assert_close(decoding.logits[place], scores, rtol=1e-4, atol=1e-4)
        going = [place for place, row in enumerate(left) if decoding.lengths[place] < len(rows[row])]
        if not going:
            break
        if len(going) < len(left):
            decoding.select(torch.tensor(going))
            left = [left[place] for place in going]
        tokens = [rows[row][decoding.lengths[place]] for place, row in enumerate(left)]
        decoding.feed(torch.tensor(tokens))
