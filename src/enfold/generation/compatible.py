"""``model.generate`` with the arguments and the result it has in ``transformers`` 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError, near
from enfold.generation.config import GenerationConfig, field_names
from enfold.generation.engine import generate
from enfold.generation.foreign import criterion_of, only_allowed, rule_of, to_streamer
from enfold.generation.outputs import (
    GenerateBeamDecoderOnlyOutput,
    GenerateBeamEncoderDecoderOutput,
    GenerateDecoderOnlyOutput,
    GenerateEncoderDecoderOutput,
    ScoreRecord,
)
from enfold.generation.padded import Padded, decoder_starts, unpad, with_new_tokens
from enfold.generation.results import Generated
from enfold.generation.settings import Settings, own_config, resolve
from enfold.models.outputs import ModelOutput

__all__ = ["generate_compatible"]

_REFUSED = {
    "inputs_embeds": "it takes token ids",
    "encoder_outputs": "it takes token ids and encodes them",
    "past_key_values": "it keeps its own cache",
    "cache": "it keeps its own cache",
    "position_ids": "positions come from the mask",
    "negative_prompt_ids": "classifier-free guidance is not supported",
    "negative_prompt_attention_mask": "classifier-free guidance is not supported",
    "custom_generate": "code is never fetched and run",
    "assistant_tokenizer": "an assistant shares the model's tokenizer",
}


def generate_compatible(
    model: Any,
    inputs: Any = None,
    generation_config: Any = None,
    logits_processor: Sequence[Callable[[Tensor, Tensor], Tensor]] | None = None,
    stopping_criteria: Sequence[Callable[..., Any]] | None = None,
    prefix_allowed_tokens_fn: Callable[[int, Tensor], Sequence[int]] | None = None,
    synced_gpus: bool | None = None,
    assistant_model: Any = None,
    streamer: Any = None,
    *,
    input_ids: Any = None,
    attention_mask: Any = None,
    token_type_ids: Any = None,
    decoder_input_ids: Any = None,
    decoder_attention_mask: Any = None,
    tokenizer: Any = None,
    seeds: int | Sequence[int] | None = None,
    **options: Any,
) -> Tensor | ModelOutput:
    """Write after a padded batch of prompts.

    Padding, on either side, is taken off first: a row of a batch gets what it gets alone. ``max_length`` and
    ``min_length`` count the width of the batch, padding included, as in ``transformers``.

    Args:
        model: the model.
        inputs: (batch, seq) ids of the prompts, or of what an encoder-decoder reads; ``input_ids`` is the same.
        generation_config: a `GenerationConfig`, a mapping, or a config of ``transformers``. Options given by name win
            over it, and it wins over the model's own.
        logits_processor: callables of (ids, scores); they see the rows that are not finished, padded on the left.
        stopping_criteria: callables of (ids, None) that say for each row, or for all, whether to end.
        prefix_allowed_tokens_fn: of the number of a prompt and a row's ids; the tokens that may follow.
        synced_gpus: not supported.
        assistant_model: proposes tokens; the output stays the same.
        streamer: has ``put`` and ``end``; one sequence only.
        input_ids: see ``inputs``.
        attention_mask: (batch, seq) 1 at real tokens. Without it, pad ids are taken for padding in a decoder's prompts
            unless they are stop ids too.
        token_type_ids: must be zeros; tokenizers return it.
        decoder_input_ids: (batch, seq) first ids of the decoder; the start id is put before them where it is missing.
        decoder_attention_mask: their mask.
        tokenizer: needed for ``stop_strings``; the model's own where it has one.
        seeds: of sampling, one for each prompt or one for all; from torch's own generator where None.
        options: options of `GenerationConfig`; None takes back what the model's own says, such as its stop ids.

    Returns:
        (rows, length) ids: prompts as they were given and the new tokens, padded on the right, or those of the decoder;
        with ``return_dict_in_generate`` an output with ``sequences`` and, where asked for, scores.

    Raises:
        InputError: an argument is not known, not supported, or contradicts another.
    """
    _check_options(options)
    if synced_gpus:
        raise InputError("synced_gpus=True is not supported: every process generates for itself")
    if token_type_ids is not None and bool(torch.as_tensor(token_type_ids).any()):
        raise InputError("token_type_ids other than zeros are not supported in generate")
    chosen = {name: value for name, value in options.items() if name in field_names()}
    config = _config(generation_config).updated(**chosen)
    own = (own_config(model) or GenerationConfig()).updated(**{k: None for k, v in chosen.items() if v is None})
    settings = resolve(config, own, warn=False)
    given = _given(inputs, input_ids, settings, model)
    infer = not model.is_encoder_decoder and settings.pad_token_id not in settings.eos_token_id
    read = unpad(given, attention_mask, pad=settings.pad_token_id if infer else None, what="attention_mask")
    start = read
    if model.is_encoder_decoder:
        start = decoder_starts(len(read.rows), decoder_input_ids, decoder_attention_mask, settings, given.device)
    elif decoder_input_ids is not None:
        raise InputError("decoder_input_ids are for encoder-decoders; this model reads input_ids alone")
    pad = _pad(settings)
    record = _record(settings, len(read.rows))
    results = generate(
        model,
        start.rows,
        _in_new_tokens(config, settings, start.ids.shape[1]),
        encoder_ids=read.rows if model.is_encoder_decoder else None,
        seeds=seeds,
        decode=_decode(tokenizer, model) if settings.stop_strings else None,
        on_piece=_streaming(streamer, start, settings),
        assistant=assistant_model,
        rules=[
            *([only_allowed(prefix_allowed_tokens_fn)] if prefix_allowed_tokens_fn is not None else []),
            *(rule_of(processor, pad) for processor in logits_processor or ()),
        ],
        criteria=[criterion_of(criterion, pad) for criterion in stopping_criteria or ()],
        record=record,
        own=own,
    )
    flat = [one for row in results for one in row]
    sequences = with_new_tokens(start.ids, [one.ids for one in flat], len(flat) // len(results), pad)
    return _output(sequences, flat, settings, record, encoder_decoder=model.is_encoder_decoder)


def _config(given: Any) -> GenerationConfig:
    if given is None or isinstance(given, GenerationConfig):
        return given or GenerationConfig()
    if not isinstance(given, Mapping) and not hasattr(given, "to_dict"):
        raise InputError(f"generation_config must be a GenerationConfig; it is a {type(given).__name__}")
    values = given if isinstance(given, Mapping) else given.to_dict()
    return GenerationConfig.from_dict({name: value for name, value in values.items() if value is not None})


def _check_options(options: dict[str, Any]) -> None:
    known = [*field_names(), "input_ids", "attention_mask", "decoder_input_ids", "tokenizer", "seeds", "streamer"]
    faults = []
    for name, value in options.items():
        if name in _REFUSED:
            if value is not None:
                faults.append(f"{name} is not supported: {_REFUSED[name]}")
        elif name not in known:
            faults.append(f"generate does not take {name!r}{near(name, known)}")
    if faults:
        raise InputError("; ".join(faults))


def _given(inputs: Any, input_ids: Any, settings: Settings, model: Any) -> Tensor:
    if inputs is not None and input_ids is not None:
        raise InputError("inputs and input_ids are the same argument: give one of them")
    ids = input_ids if inputs is None else inputs
    if hasattr(ids, "input_ids"):
        raise InputError("generate takes a tokenizer's output as keyword arguments: model.generate(**inputs)")
    if ids is None:
        if settings.bos_token_id is None:
            raise InputError("there are no input_ids, and no bos_token_id to start with")
        ids = [[settings.bos_token_id]]
    ids = torch.as_tensor(ids)
    if ids.ndim != 2 or ids.is_floating_point() or 0 in ids.shape:
        raise InputError(f"input_ids must be whole numbers of shape (batch, seq); they have shape {tuple(ids.shape)}")
    return ids.to(getattr(model, "device", ids.device))


def _pad(settings: Settings) -> int:
    if settings.pad_token_id is not None:
        return settings.pad_token_id
    return settings.eos_token_id[0] if settings.eos_token_id else 0


def _in_new_tokens(config: GenerationConfig, settings: Settings, width: int) -> GenerationConfig:
    """The same, with lengths that count the width of the batch turned into numbers of new tokens."""
    lengths: dict[str, int | None] = {}
    if settings.max_length is not None:
        if settings.max_length <= width:
            raise InputError(
                f"the prompts are {width} ids wide and max_length={settings.max_length} counts them too: "
                "give max_new_tokens"
            )
        lengths |= {"max_length": None, "max_new_tokens": settings.max_length - width}
    if settings.min_new_tokens is None and settings.min_length:
        lengths |= {"min_length": None, "min_new_tokens": max(0, settings.min_length - width)}
    return config.updated(**lengths)


def _record(settings: Settings, prompts: int) -> ScoreRecord | None:
    if not settings.return_dict_in_generate or not (settings.output_scores or settings.output_logits):
        return None
    if settings.num_beams > 1:
        if settings.output_logits:
            raise InputError("output_logits is not supported with beams; output_scores gives sequences_scores")
        return None
    copies = settings.num_return_sequences
    return ScoreRecord(prompts * copies, copies, scores=settings.output_scores, logits=settings.output_logits)


def _decode(tokenizer: Any, model: Any) -> Callable[[Sequence[int]], str]:
    found = tokenizer if tokenizer is not None else getattr(model, "tokenizer", None)
    if found is None:
        raise InputError("stop_strings are looked for in text: give tokenizer=")
    return lambda ids: str(found.decode(list(ids)))


def _streaming(streamer: Any, start: Padded, settings: Settings) -> Any:
    if streamer is None:
        return None
    if len(start.rows) > 1 or settings.num_return_sequences > 1 or settings.num_beams > 1:
        raise InputError("a streamer takes one sequence: one prompt, num_return_sequences=1, num_beams=1")
    streamer.put(start.ids.cpu())
    return to_streamer(streamer)


def _output(
    sequences: Tensor,
    results: list[Generated],
    settings: Settings,
    record: ScoreRecord | None,
    *,
    encoder_decoder: bool,
) -> Tensor | ModelOutput:
    if not settings.return_dict_in_generate:
        return sequences
    if settings.num_beams > 1:
        kind = GenerateBeamEncoderDecoderOutput if encoder_decoder else GenerateBeamDecoderOnlyOutput
        scores = torch.tensor([one.score for one in results], device=sequences.device)
        return kind(sequences=sequences, sequences_scores=scores if settings.output_scores else None)
    made = GenerateEncoderDecoderOutput if encoder_decoder else GenerateDecoderOnlyOutput
    return made(
        sequences=sequences,
        scores=None if record is None or record.scores is None else tuple(record.scores),
        logits=None if record is None or record.logits is None else tuple(record.logits),
    )
