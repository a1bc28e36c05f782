"""What is checked of the arguments of `stream` beside options and prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from enfold.errors import InputError
from enfold.generation.contracts import GenerativeModel, Recorder
from enfold.generation.settings import Settings
from enfold.generation.structured import Constraint

__all__ = ["check_together", "constraints_of", "seeds_of"]


def check_together(
    settings: Settings,
    model: GenerativeModel,
    constraint: object,
    assistant: GenerativeModel | None,
    alternatives: int,
    record: Recorder | None,
) -> None:
    """Refuse what excludes each other.

    Raises:
        InputError: it does; all such pairs are named.
    """
    faults = []
    lookup = settings.prompt_lookup_num_tokens is not None
    if settings.num_beams > 1:
        given = {
            "constraint": constraint,
            "assistant": assistant,
            "alternatives": alternatives or None,
            "record": record,
        }
        faults += [f"{name} and num_beams={settings.num_beams}" for name, value in given.items() if value is not None]
    if assistant is not None and lookup:
        faults.append("assistant and prompt_lookup_num_tokens")
    if assistant is not None or lookup:
        given = {"constraint": constraint, "record": record}
        faults += [f"{name} and speculation" for name, value in given.items() if value is not None]
    if faults:
        raise InputError(f"these exclude each other: {'; '.join(faults)}")
    if alternatives < 0:
        raise InputError(f"alternatives={alternatives} must be at least 0")
    if assistant is not None and assistant.vocabulary != model.vocabulary:
        raise InputError(
            f"the assistant has a vocabulary of {assistant.vocabulary} and the model one of {model.vocabulary}: "
            "an assistant shares the model's tokenizer"
        )
    if assistant is not None and assistant.is_encoder_decoder != model.is_encoder_decoder:
        raise InputError("the assistant and the model must both be decoders, or both encoder-decoders")


def seeds_of(seeds: int | Sequence[int] | None, count: int) -> list[int]:
    """One seed for each prompt; from torch's own generator where None.

    Raises:
        InputError: there are not as many, or one is no whole number from 0 to 2**63 - 1.
    """
    if seeds is None:
        return torch.randint(2**62, (count,)).tolist()
    chosen = [seeds] * count if isinstance(seeds, int) else list(seeds)
    if len(chosen) != count:
        raise InputError(f"{len(chosen)} seeds for {count} prompts: give one for each, or a single number for all")
    for seed in chosen:
        if not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise InputError(f"seed {seed!r} must be a whole number from 0 to 2**63 - 1")
    return chosen


def constraints_of(
    constraint: Constraint | Sequence[Constraint | None] | None, count: int
) -> list[Constraint | None] | None:
    """One constraint for each prompt, or None where there are none at all.

    Raises:
        InputError: there are not as many.
    """
    if constraint is None:
        return None
    chosen: list[Constraint | None] = [constraint] * count if isinstance(constraint, Constraint) else list(constraint)
    if len(chosen) != count:
        raise InputError(f"{len(chosen)} constraints for {count} prompts: give one for each, or a single one for all")
    return chosen
