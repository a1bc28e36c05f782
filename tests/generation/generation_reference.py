"""The decoding contract over a real model of ``transformers`` that is run in full each time: slow and plainly right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import transformers
from torch import Tensor

from enfold.generation import GenerationConfig

VOCABULARY = 83
EOS, PAD = 2, 1


class ReferenceModel:
    """What generation needs of a model; ``reference`` is the model itself."""

    def __init__(self, reference: Any) -> None:
        self.reference = reference
        self.is_encoder_decoder = bool(reference.config.is_encoder_decoder)
        self.vocabulary = reference.config.vocab_size
        self.context_length = getattr(reference.config, "max_position_embeddings", None)
        stored = {k: v for k, v in reference.generation_config.to_dict().items() if v is not None}
        self.generation_config = GenerationConfig.from_dict(stored)

    def begin_decoding(
        self, prompts: Sequence[Sequence[int]], *, encoder_ids: Sequence[Sequence[int]] | None = None, room: int = 0
    ) -> ReferenceDecoding:
        sources = [tuple(row) for row in encoder_ids] if encoder_ids is not None else [()] * len(prompts)
        return ReferenceDecoding(self.reference, [list(prompt) for prompt in prompts], sources)


class ReferenceDecoding:
    def __init__(self, model: Any, ids: list[list[int]], sources: list[tuple[int, ...]]) -> None:
        self.model, self.ids, self.sources = model, ids, sources
        self.sizes: list[int] = []
        self._logits: Tensor | None = None

    @property
    def rows(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> list[int]:
        return [len(row) for row in self.ids]

    @property
    def logits(self) -> Tensor:
        if self._logits is None:
            self._logits = self._run(1)[:, -1]
        return self._logits

    def _run(self, count: int) -> Tensor:
        self.sizes.append(len(self.ids))
        keys = [(source, tuple(row)) for source, row in zip(self.sources, self.ids, strict=True)]
        known: dict[Any, Tensor] = {}
        for shape in {(len(source), len(row)) for source, row in keys}:
            group = list(dict.fromkeys(key for key in keys if (len(key[0]), len(key[1])) == shape))
            tokens = torch.tensor([row for _, row in group])
            with torch.inference_mode():  # as the real one computes
                if shape[0]:
                    read = torch.tensor([source for source, _ in group])
                    logits = self.model(input_ids=read, decoder_input_ids=tokens).logits
                else:
                    logits = self.model(input_ids=tokens).logits
            known.update(zip(group, logits[:, -count:].float(), strict=True))
        return torch.stack([known[key] for key in keys])

    def feed(self, tokens: Tensor) -> Tensor:
        return self.feed_several(tokens[:, None])[:, -1]

    def feed_several(self, tokens: Tensor) -> Tensor:
        for row, new in zip(self.ids, tokens.tolist(), strict=True):
            row.extend(new)
        logits = self._run(tokens.shape[1])
        self._logits = logits[:, -1]
        return logits

    def select(self, rows: Tensor) -> None:
        kept = rows.tolist()
        self.ids = [list(self.ids[row]) for row in kept]
        self.sources = [self.sources[row] for row in kept]
        if self._logits is not None:
            self._logits = self._logits[rows]

    def forget(self, counts: Sequence[int]) -> None:
        for row, count in zip(self.ids, counts, strict=True):
            del row[len(row) - count :]
        self._logits = None


def with_clear_choices(model: Any, seed: int, std: float = 0.35) -> Any:
    """New weights, so large that the best token is clear."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=source) * std)
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.copy_(torch.randn(model.final_logits_bias.shape, generator=source))
    return model.eval()


@lru_cache
def gpt2(seed: int = 0, layers: int = 2) -> Any:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=64, n_embd=24, n_layer=layers, n_head=3, bos_token_id=0, eos_token_id=EOS,
        pad_token_id=PAD, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0,
    )  # fmt: skip
    return with_clear_choices(transformers.GPT2LMHeadModel(config), seed)


@lru_cache
def llama(seed: int = 1) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, bos_token_id=0, eos_token_id=[EOS, 5], pad_token_id=PAD,
        tie_word_embeddings=False,
    )  # fmt: skip
    return with_clear_choices(transformers.LlamaForCausalLM(config), seed)


@lru_cache
def bart(seed: int = 2) -> Any:
    config = transformers.BartConfig(
        vocab_size=VOCABULARY, d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=3,
        decoder_attention_heads=3, encoder_ffn_dim=40, decoder_ffn_dim=40, max_position_embeddings=64, dropout=0.0,
        bos_token_id=0, eos_token_id=EOS, pad_token_id=PAD, decoder_start_token_id=EOS, forced_eos_token_id=EOS,
    )  # fmt: skip
    model = transformers.BartForConditionalGeneration(config)
    model.generation_config.forced_eos_token_id = EOS
    return with_clear_choices(model, seed)


@lru_cache
def t5(seed: int = 3) -> Any:
    config = transformers.T5Config(
        vocab_size=VOCABULARY, d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=3, dropout_rate=0.0,
        eos_token_id=EOS, pad_token_id=PAD, decoder_start_token_id=PAD, tie_word_embeddings=False,
    )  # fmt: skip
    return with_clear_choices(transformers.T5ForConditionalGeneration(config), seed, std=0.25)


DECODERS = {"gpt2": gpt2, "llama": llama}
ENCODER_DECODERS = {"bart": bart, "t5": t5}
ALL = {**DECODERS, **ENCODER_DECODERS}


def random_prompts(count: int, *, seed: int = 0, longest: int = 9) -> list[list[int]]:
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, longest + 1, (count,), generator=source).tolist()
    return [torch.randint(6, VOCABULARY, (length,), generator=source).tolist() for length in lengths]


def padded(prompts: Sequence[Sequence[int]], side: str = "left") -> dict[str, Tensor]:
    width = max(map(len, prompts))
    rows, masks = [], []
    for prompt in prompts:
        filler, real = [PAD] * (width - len(prompt)), [1] * len(prompt)
        rows.append([*filler, *prompt] if side == "left" else [*prompt, *filler])
        masks.append([0] * len(filler) + real if side == "left" else real + [0] * len(filler))
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(masks)}


def as_reference_takes(name: str, prompts: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Padded on the side where transformers computes a row as if it were alone."""
    return padded(prompts, "right" if name in ENCODER_DECODERS else "left")
