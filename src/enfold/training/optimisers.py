"""AdamW over the right groups of parameters, and clipping."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from enfold.training.arguments import TrainingArguments

_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
_NORM_NAME = re.compile(r"bias|layernorm|rmsnorm|(^|[._])norm($|\.)", re.IGNORECASE)


def decayed_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay pulls on: all but biases and norms.

    Decay of a gain or an offset pulls it away from doing nothing; BERT was trained without (Devlin et al., 2019).
    """
    in_norms = {
        f"{name}.{own}" if name else own
        for name, module in model.named_modules()
        if isinstance(module, _NORMS)
        for own, _ in module.named_parameters(recurse=False)
    }
    return {name for name, _ in model.named_parameters() if name not in in_norms and not _NORM_NAME.search(name)}


def make_optimiser(model: nn.Module, args: TrainingArguments) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019) in two groups, with decay and without.

    One fused kernel updates all parameters (``adamw_torch_fused``), on the CPU too; ``adamw_torch`` is torch's loop.
    """
    decayed = decayed_parameters(model)
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for name, parameter in trained if name in decayed], "weight_decay": args.weight_decay},
        {"params": [parameter for name, parameter in trained if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=args.learning_rate,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
        fused=args.optim == "adamw_torch_fused",
    )


def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> float:
    """Scale all gradients so that their norm is at most ``max_norm``; give the norm they had.

    Nothing is touched when the norm is small enough, which saves a pass over all gradients.
    Pascanu et al., On the Difficulty of Training Recurrent Neural Networks (2013), algorithm 1.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    value = norm.item()
    if value > max_norm:
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return value
