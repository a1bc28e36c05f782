"""Parts of a stack as an exporter can follow them: padded, with shapes that do not depend on values.

Inside Enfold tokens are packed, and attention plans its products by the lengths of the rows. A graph cannot. So the
copy of a model that is traced takes the padded path of the door (``enfold.layers.door``) and has these parts in place
of its own, with the same parameters. Tests compare each with what it stands for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.attention import Attention
from enfold.layers.context import Context, ScoreBias
from enfold.layers.disentangled import Convolution, DisentangledAttention, Distances, log_buckets
from enfold.layers.disentangled import _Distances as DistanceMaker
from enfold.layers.linear import project
from enfold.layers.positions import RelativeBias, distance_buckets, turn

if TYPE_CHECKING:
    from enfold.models import PreTrainedModel

__all__ = ["Traced", "padded_attention", "traceable"]

# Scores of what may not be seen. Not -inf: a query of padding may see nothing at all, and its row of the softmax would
# be NaN, which the next block's products would carry into real tokens.
_UNSEEN = -1e30


def padded_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor,
    positions: Tensor,
    *,
    score_bias: ScoreBias | None = None,
    scale: float | None = None,
    window: int | None = None,
) -> Tensor:
    """softmax(scale q kᵀ + bias) v within each row of a padded batch.

    Args:
        q: (tokens, heads, head_width), the rows one after another.
        k, v: (tokens, heads or a divisor, head_width).
        bias: (rows, 1 or heads, 1 or length, length) added to the scores.
        positions: (tokens,) the index of each token in its row.
        score_bias: a further bias computed from queries, keys and positions.
        scale: 1 / √head_width where None.
        window: how far to either side a token sees; None for the whole row.

    Returns:
        (tokens, heads, head_width)
    """
    rows = bias.shape[0]
    if k.shape[1] != q.shape[1]:
        k, v = (own.repeat_interleave(q.shape[1] // own.shape[1], 1) for own in (k, v))
    queries, keys, values = (own.unflatten(0, (rows, -1)).transpose(1, 2) for own in (q, k, v))
    at = positions.unflatten(0, (rows, -1))
    mask = bias.clamp(min=_UNSEEN).expand(-1, -1, queries.shape[2], -1)
    if window is not None:
        far = (at[:1, None, :, None] - at[:1, None, None, :]).abs() > window
        mask = mask + far.to(mask.dtype) * _UNSEEN
    if score_bias is not None:
        mask = mask + score_bias(queries, keys, at, at)
    found = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=scale)
    return found.transpose(1, 2).flatten(0, 1)


class PaddedAttention(Attention):
    """``Attention`` over a padded batch."""

    def forward(
        self, hidden: Tensor, context: Context, maps: Sequence[nn.Module], norms: Sequence[nn.Module], number: int
    ) -> Tensor:
        """(tokens, width) to (tokens, heads · head_width); for the arguments see ``Attention``."""
        q, k, v = self._split(project(hidden, maps), self.heads, self.kv_heads)
        if norms:
            q, k = norms[0](q), norms[1](k)
        if self.rotation is not None:
            q, k = turn(q, context.rotations[self.rotation]), turn(k, context.rotations[self.rotation])
        return self._attended(q, k, v, context, context.score_bias)

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, context: Context, score_bias: ScoreBias | None) -> Tensor:
        assert context.bias is not None
        found = padded_attention(
            q,
            k,
            v,
            context.bias,
            context.layout.positions,
            score_bias=score_bias,
            scale=self.scale,
            window=self.window,
        )
        return found.flatten(1)


class PaddedRelativeBias(RelativeBias):
    """``RelativeBias`` of rows that all count their places from 0, computed once for all blocks."""

    def bias(self, *, once: bool = True) -> ScoreBias:
        """What the blocks of one pass add to their scores."""
        ready: list[Tensor] = []

        def add(q: Tensor, k: Tensor, q_positions: Tensor, k_positions: Tensor) -> Tensor:
            if not ready:
                distances = k_positions[:1, None, :] - q_positions[:1, :, None]
                spec = self.spec
                own = distance_buckets(distances, spec.buckets, spec.max_distance, both_ways=spec.both_ways)
                ready.append(F.embedding(own, self.weight).permute(0, 3, 1, 2))
            return ready[0]

        return add


class PaddedDistances(DistanceMaker):
    """What the blocks of disentangled attention share, with the vectors of all distances there are."""

    def forward(self, part: Callable[[str], nn.Module], inputs: Any) -> Distances:
        """For the arguments see the class it stands for."""
        spec, positions = self.spec, inputs.layout.positions
        seq = inputs.entry.shape[1]
        number = torch.arange(-(seq - 1), seq, device=positions.device)
        if spec.buckets:
            number = log_buckets(number, spec.buckets, spec.furthest)
        number = (number + spec.reach).clamp(0, 2 * spec.reach - 1)
        vectors: Any = None
        if spec.distances:
            table: Any = part("distances")
            vectors = part("distances_norm")(table.weight) if spec.normed else table.weight
        convolution: Any = part("convolution") if spec.kernel else None
        return Distances(inputs.layout, inputs.real, vectors, number, convolution)


class PaddedDisentangledAttention(DisentangledAttention):
    """``DisentangledAttention`` over a padded batch. What padding looks at is left open: nothing reads it."""

    def forward(
        self, hidden: Tensor, context: Context, maps: Sequence[nn.Module], norms: Sequence[nn.Module], number: int
    ) -> Tensor:
        """(tokens, width) to (tokens, heads · head_width); for the arguments see ``Attention``."""
        assert context.bias is not None
        q, k, v = self._split(project(hidden, maps), self.heads, self.kv_heads)
        score_bias = self._score_bias(context.relative, maps) if self.terms else None
        positions = context.layout.positions
        found = padded_attention(q, k, v, context.bias, positions, score_bias=score_bias, scale=self.scale)
        return found.flatten(1)


class PaddedConvolution(Convolution):
    """``Convolution`` over a padded batch, where nothing stands at padding."""

    def forward(self, embedded: Tensor, hidden: Tensor, shared: Distances) -> Tensor:
        """(tokens, width) of the embeddings and of the first block to (tokens, width)."""
        assert shared.real is not None
        rows = embedded.masked_fill(~shared.real[:, None], 0).unflatten(0, (shared.layout.rows, -1))
        mixed = self.conv(rows.transpose(1, 2)).transpose(1, 2).flatten(0, 1)
        result = self.LayerNorm(hidden + self.activation(self.dropout(mixed)))
        return result.masked_fill(~shared.real[:, None], 0)


_TRACEABLE: dict[type[nn.Module], type[nn.Module]] = {
    Attention: PaddedAttention,
    RelativeBias: PaddedRelativeBias,
    DistanceMaker: PaddedDistances,
    DisentangledAttention: PaddedDisentangledAttention,
    Convolution: PaddedConvolution,
}
"""Parts whose own ways depend on values, and what stands for each. They keep their attributes and parameters."""


def traceable(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of a model in float32 for an exporter; parameters are shared where they are in float32 already."""
    if model.dtype == torch.float32:
        tensors = (*model.parameters(), *model.buffers())
        memo: dict[int, Any] = {id(tensor): tensor for tensor in tensors}
        made = copy.deepcopy(model, memo)
    else:
        made = copy.deepcopy(model).float()
    for module in made.modules():
        if type(module) in _TRACEABLE:
            module.__class__ = _TRACEABLE[type(module)]
    made.config.output_hidden_states = made.config.output_attentions = False
    made.config.return_dict = True
    return made.eval()


class Traced(nn.Module):
    """A model as the function that is traced: padded ids, mask and perhaps types to one tensor.

    Args:
        model: made by `traceable`.
        head: a key of `enfold.export.heads.HEADS`.
    """

    def __init__(self, model: Any, head: str) -> None:
        super().__init__()
        self.model = model if head else model.base_model
        self.head = head

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """(batch, seq) each to what ``enfold.export.heads.GRAPHS`` says."""
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            given["token_type_ids"] = token_type_ids
        output = self.model(**given)
        if self.head == "ForQuestionAnswering":
            return torch.stack((output.start_logits, output.end_logits), -1)
        found: Tensor = output.logits if self.head else output.last_hidden_state
        return found
