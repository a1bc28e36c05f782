"""PEGASUS computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from pathlib import Path

import torch
from checkers import assert_same_outputs
from family_parity import PairParity
from mutations import fails
from pair_cases import NO_DROPOUT, SMALL, UNEQUAL
from safetensors.torch import load_file, save_file

import enfold
from enfold.layers.positions import sinusoids


class TestPegasus(PairParity):
    prefix = "Pegasus"
    heads = ("Model", "ForConditionalGeneration", "ForCausalLM")
    no_dropout = NO_DROPOUT
    loud_words = 3.0
    configs = {
        "usual": SMALL,
        "scaled": SMALL | {"scale_embedding": True, "activation_function": "relu", "max_position_embeddings": 24},
        "unequal, untied": UNEQUAL | {"pad_token_id": 5, "tie_word_embeddings": False, "d_model": 36},
    }

    def test_new_positions_are_theirs_and_do_not_learn(self, config: str) -> None:
        own, other = (kind(kind.config_class(**self.configs[config])) for kind in self.classes("Model"))
        for ours, theirs in ((own.encoder, other.encoder), (own.decoder, other.decoder)):
            table = ours.embed_positions.weight
            torch.testing.assert_close(table, theirs.embed_positions.weight, rtol=0, atol=1e-6)
            assert not table.requires_grad

    def test_sines_and_cosines_by_turns_are_found_out(self) -> None:
        pair, inputs = self.pair("Model", "usual"), self.inputs("Model", "usual", "right")
        for stack in (pair.theirs.encoder, pair.theirs.decoder, pair.ours.encoder, pair.ours.decoder):
            stack.embed_positions.weight.copy_(sinusoids(16, 32, "halves"))
        assert_same_outputs(pair, inputs)
        pair.ours.encoder.embed_positions.weight.copy_(sinusoids(16, 32, "interleaved"))
        fails(assert_same_outputs, pair, inputs, match="off by")


def test_positions_that_older_files_leave_out_are_written_anew(tmp_path: Path) -> None:
    theirs = TestPegasus.pair("ForConditionalGeneration", "usual").theirs
    theirs.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {name: values for name, values in tensors.items() if "embed_positions" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    read = enfold.PegasusForConditionalGeneration.from_pretrained(tmp_path)
    assert len(kept) == len(tensors) - 2 and not read.loading_report.initialised
    for stack in (read.model.encoder, read.model.decoder):
        assert torch.equal(stack.embed_positions.weight, sinusoids(16, 32, "halves"))
        assert not stack.embed_positions.weight.requires_grad
