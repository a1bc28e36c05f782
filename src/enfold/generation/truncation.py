"""Rules of sampling: which tokens may be drawn at all. Each is a pure function of scores (rows, vocabulary).

Tokens that are cut get minus infinity. ``keep`` is how many of the best are kept whatever the rule says: 1 to draw one
token, more in beam search, which needs a token that is no stop id. Shapes and rounding follow ``transformers``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from enfold.generation.largest import largest

__all__ = ["cut_epsilon", "cut_eta", "cut_min_p", "cut_top_h", "cut_top_k", "cut_top_p", "cut_typical"]

_TOP_H_TOKENS = 100  # as in the paper's code: the tail beyond adds next to nothing to the entropy


def _cut(scores: Tensor, removed: Tensor) -> Tensor:
    return scores.masked_fill(removed, -torch.inf)


def _below_best(scores: Tensor, keep: int) -> Tensor:
    """True at tokens that are not among the ``keep`` best."""
    return scores < largest(scores, min(keep, scores.shape[1]))[0][:, -1:]


def cut_top_k(scores: Tensor, count: int, keep: int = 1) -> Tensor:
    """Keep the ``count`` best (Fan et al. 2018, section 5.4), and what equals the last of them."""
    return _cut(scores, _below_best(scores, max(count, keep)))


def cut_top_p(scores: Tensor, mass: float, keep: int = 1) -> Tensor:
    """Keep the fewest tokens that together have probability ``mass`` (Holtzman et al. 2019, section 3.1)."""
    ordered, order = scores.sort()
    removed = ordered.softmax(-1).cumsum(-1) <= 1 - mass
    removed[:, -keep:] = False
    return _cut(scores, torch.empty_like(removed).scatter_(1, order, removed))


def cut_min_p(scores: Tensor, share: float, keep: int = 1) -> Tensor:
    """Keep tokens at least ``share`` times as likely as the likeliest (Nguyen et al. 2024, section 3)."""
    probabilities = scores.softmax(-1)
    removed = probabilities < share * probabilities.amax(-1, keepdim=True)
    best = probabilities.topk(min(keep, scores.shape[1])).indices
    return _cut(scores, removed.scatter_(1, best, False))


def cut_typical(scores: Tensor, mass: float, keep: int = 1) -> Tensor:
    """Keep the tokens whose surprise is nearest to the entropy, up to probability ``mass`` (Meister et al. 2022)."""
    logprobs = scores.log_softmax(-1)
    entropy = -(logprobs * logprobs.exp()).nansum(-1, keepdim=True)
    distance, order = (-logprobs - entropy).abs().sort()
    covered = scores.gather(1, order).softmax(-1).cumsum(-1)
    last = (covered < mass).sum(-1, keepdim=True).clamp(max=scores.shape[1] - 1)
    removed = distance > distance.gather(1, last)
    removed[:, :keep] = False
    return _cut(scores, torch.empty_like(removed).scatter_(1, order, removed))


def cut_top_h(scores: Tensor, share: float) -> Tensor:
    """Keep the best tokens until they hold ``share`` of the entropy (Baghaei Potraghloo et al. 2025, algorithm 1)."""
    best, order = scores.topk(min(_TOP_H_TOKENS, scores.shape[1]))
    logprobs = best.log_softmax(-1)
    terms = torch.nan_to_num(-logprobs.exp() * logprobs, nan=0.0)
    kept = terms.cumsum(-1) <= share * terms.sum(-1, keepdim=True)
    kept[:, 0] = True
    removed = torch.ones_like(scores, dtype=torch.bool).scatter_(1, order, ~kept)
    return _cut(scores, removed)


def cut_epsilon(scores: Tensor, least: float, keep: int = 1) -> Tensor:
    """Keep tokens of probability ``least`` or more (Hewitt et al. 2022, section 4)."""
    return _cut(scores, (scores.softmax(-1) < least) & _below_best(scores, keep))


def cut_eta(scores: Tensor, least: float, keep: int = 1) -> Tensor:
    """Keep tokens of probability ``min(least, sqrt(least) * exp(-entropy))`` or more (Hewitt et al. 2022)."""
    logprobs = scores.log_softmax(-1)
    probabilities = logprobs.exp()
    entropy = -(logprobs * probabilities).nansum(-1, keepdim=True)
    bound = (least**0.5 * (-entropy).exp()).clamp(max=least)
    return _cut(scores, (probabilities < bound) & _below_best(scores, keep))
