"""What is checked of prompts before a model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enfold.errors import InputError
from enfold.generation.contracts import GenerativeModel
from enfold.generation.settings import Settings

__all__ = ["check_ids", "lengths_allowed", "prompts_of", "sources_of"]


def check_ids(
    prompts: Sequence[Sequence[int]], *, vocabulary: int, context: int | None, what: str = "prompt"
) -> list[list[int]]:
    """Prompts as lists of whole numbers.

    Raises:
        InputError: there is none, one is empty or longer than the context, or an id is outside the vocabulary; the
            message says which and where.
    """
    if not len(prompts):
        raise InputError(f"there is no {what}: generate takes a list of lists of token ids")
    checked = []
    for number, prompt in enumerate(prompts):
        ids = _ids(prompt, f"{what} {number}")
        if not ids:
            raise InputError(
                f"{what} {number} is empty: it needs at least one token, such as the one that starts a text"
            )
        if min(ids) < 0 or max(ids) >= vocabulary:
            place, token = next((at, one) for at, one in enumerate(ids) if not 0 <= one < vocabulary)
            raise InputError(
                f"{what} {number} has id {token} at position {place}, outside the vocabulary, whose ids are 0 to "
                f"{vocabulary - 1}"
            )
        if context is not None and len(ids) > context:
            raise InputError(f"{what} {number} has {len(ids)} tokens; the model's context holds {context}: shorten it")
        checked.append(ids)
    return checked


def _ids(prompt: Any, name: str) -> list[int]:
    values = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    if not isinstance(values, (list, tuple)):
        raise InputError(f"{name} must be a list of token ids; it is a {type(prompt).__name__}")
    for place, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{name} has {value!r} at position {place}, which is no token id")
    return list(values)


def lengths_allowed(
    prompts: Sequence[Sequence[int]], settings: Settings, context: int | None
) -> tuple[list[int], list[int]]:
    """For each prompt the length at which it ends, and the length before which no stop id may come.

    A sequence ends with the model's context, where that comes before what was asked for.

    Raises:
        InputError: a prompt leaves no room for a new token, or less than the smallest number asked for.
    """
    limits, minimums = [], []
    for number, prompt in enumerate(prompts):
        length, most, least = len(prompt), settings.most(len(prompt)), settings.least(len(prompt))
        if most <= length:
            raise InputError(
                f"prompt {number} has {length} tokens and max_length={settings.max_length} counts them too: "
                "give max_new_tokens"
            )
        if context is not None and length >= context:
            raise InputError(
                f"prompt {number} has {length} tokens and fills the model's context of {context}: "
                "there is no room for a new one"
            )
        if least > most:
            raise InputError(
                f"prompt {number} has {length} tokens and may have {most - length} new ones, but at least "
                f"{least - length} were asked for"
            )
        limits.append(most if context is None else min(most, context))
        minimums.append(least)
    return limits, minimums


def sources_of(model: GenerativeModel, encoder_ids: Sequence[Sequence[int]] | None) -> list[list[int]] | None:
    """What an encoder reads; None for a model without one.

    Raises:
        InputError: it is missing, wrong, or given to a model without an encoder.
    """
    if not model.is_encoder_decoder:
        if encoder_ids is not None:
            raise InputError("encoder_ids are for encoder-decoders; this model reads its prompts alone")
        return None
    if encoder_ids is None:
        raise InputError("an encoder-decoder reads encoder_ids; prompts are the first ids of its decoder")
    size = getattr(model, "encoder_vocabulary", model.vocabulary)
    return check_ids(encoder_ids, vocabulary=size, context=model.context_length, what="encoder input")


def prompts_of(
    model: GenerativeModel,
    prompts: Sequence[Sequence[int]] | None,
    settings: Settings,
    sources: list[list[int]] | None,
) -> list[list[int]]:
    """The prompts; for an encoder-decoder without any, what its decoder starts with.

    Raises:
        InputError: they are wrong, or nothing says what the decoder starts with.
    """
    if prompts is None:
        if sources is None:
            raise InputError("there are no prompts: generate takes a list of lists of token ids")
        start = settings.decoder_start_token_id
        start = settings.bos_token_id if start is None else start
        if start is None:
            raise InputError("nothing says what the decoder starts with: set decoder_start_token_id or bos_token_id")
        starts = [start] * len(sources) if isinstance(start, int) else list(start)
        if len(starts) != len(sources):
            raise InputError(f"decoder_start_token_id lists {len(starts)} ids for {len(sources)} encoder inputs")
        prompts = [[number] for number in starts]
    return check_ids(prompts, vocabulary=model.vocabulary, context=model.context_length)
