"""What the specification of every family says besides of encoders: vectors, places, dropout, older files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from checkers import SEQ, TOLERANCE, assert_close, assert_same_outputs, make_pair
from family_parity import FamilyParity
from file_checkers import assert_reads_older

_OUTPUTS = ("logits", "last_hidden_state", "pooler_output", "start_logits", "prediction_logits", "sop_logits")


class EncoderParity(FamilyParity):
    """A family of encoders.

    Attributes:
        dropouts: keys of ``config.json`` that are shares of values dropped.
        renamed: present parts of tensor names to those of older files.
    """

    dropouts: ClassVar[tuple[str, ...]] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    renamed: ClassVar[dict[str, str]] = {
        "LayerNorm.weight": "LayerNorm.gamma",
        "LayerNorm.bias": "LayerNorm.beta",
    }

    def test_vectors_in_place_of_ids(self, config: str) -> None:
        pair = self.pair("ForTokenClassification", config)
        inputs = self.inputs("ForTokenClassification", config, "left")
        width = pair.ours.get_input_embeddings().embedding_dim
        shape = inputs.pop("input_ids").shape
        vectors = torch.randn(*shape, width, generator=torch.Generator().manual_seed(7))
        assert_same_outputs(pair, inputs | {"inputs_embeds": vectors})

    def test_given_positions(self, config: str) -> None:
        inputs = self.inputs("ForTokenClassification", config, "holes")
        generator = torch.Generator().manual_seed(8)
        inputs["position_ids"] = 2 + torch.rand(len(inputs["input_ids"]), SEQ, generator=generator).argsort(-1)
        assert_same_outputs(self.pair("ForTokenClassification", config), inputs)

    def test_values_are_dropped_in_the_same_places(self, head: str) -> None:
        """With a share of 1 dropout is no longer random: all that passes it is zero."""
        config = next(iter(self.configs))
        inputs = self.inputs(head, config, "none")
        for key in self.dropouts:
            pair = self.pair(head, config, **(dict.fromkeys(self.dropouts, 0.0) | {key: 1.0}))
            ours, theirs = pair.ours.train()(**inputs), pair.theirs.train()(**inputs)
            names = [name for name in theirs if name in _OUTPUTS]
            assert names
            for name in names:
                assert_close(f"{name} with {key}", ours[name], theirs[name], TOLERANCE)

    def test_older_names_and_stored_positions_are_understood(self, tmp_path: Path) -> None:
        config = next(iter(self.configs))
        pair, inputs = self.pair("ForMaskedLM", config), self.inputs("ForMaskedLM", config, "right")
        stack = pair.theirs.base_model_prefix
        stored = {f"{stack}.embeddings.position_ids": torch.arange(24)[None]}
        assert_reads_older(self.classes("ForMaskedLM")[0], pair, inputs, tmp_path, self.renamed, stored)

    def test_another_heads_folder_gives_the_stack_and_a_new_head(self, tmp_path: Path) -> None:
        config = next(iter(self.configs))
        settings = self.settings("ForMaskedLM", config)
        pair = make_pair(*self.classes("ForMaskedLM"), settings)
        pair.theirs.save_pretrained(tmp_path)
        own, other = self.classes("ForSequenceClassification")
        ours = own.from_pretrained(tmp_path, num_labels=5)
        theirs, report = other.from_pretrained(tmp_path, num_labels=5, output_loading_info=True)
        assert set(ours.loading_report.initialised) == set(report["missing_keys"])
        assert set(ours.loading_report.unused) == set(report["unexpected_keys"])
        theirs.set_attn_implementation("eager")
        theirs.load_state_dict(ours.state_dict())
        inputs = self.inputs("ForMaskedLM", config, "right")
        inputs.pop("labels")
        states = [model.eval()(**inputs, output_hidden_states=True).hidden_states for model in (ours, theirs)]
        real = inputs["attention_mask"].bool()
        assert_close("last state", states[0][-1][real], states[1][-1][real], TOLERANCE)
