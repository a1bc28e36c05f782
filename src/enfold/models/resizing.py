"""Another number of word vectors, and of the scores beside them, after tokens were added to a tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from enfold.errors import InputError
from enfold.layers.linear import Linear
from enfold.layers.places import place
from enfold.models.initialise import resized_rows

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = ["resize_words"]


def resize_words(
    model: PreTrainedModel,
    table: nn.Embedding,
    put: Callable[[nn.Embedding], None],
    number: int | None,
    multiple: int | None,
    *,
    at_mean: bool,
    scored: bool,
) -> None:
    """Put a table of another size in place of ``table``, and a map to as many scores.

    Tables that could share its vectors and do not, those of the stacks of a pair, are resized each by itself.

    Args:
        model: whose vectors these are.
        table: the present one.
        put: takes the new one.
        number: how many vectors there will be; the present number where None.
        multiple: that number is rounded up to a multiple of this.
        at_mean: start new vectors at the mean of the old ones; drawn at random like new weights where False.
        scored: whether the model's scores are those of these words.

    Raises:
        InputError: there would be none.
    """
    wanted = table.num_embeddings if number is None else number
    if multiple is not None:
        wanted = -(-wanted // multiple) * multiple
    if wanted < 1:
        raise InputError(f"a model needs at least one word vector; asked for {wanted}")
    if wanted == table.num_embeddings:
        return
    std = None if at_mean else model.family.spec(model.config).init_std
    pad = table.padding_idx if table.padding_idx is not None and table.padding_idx < wanted else None
    weight = resized_rows(table.weight, wanted, std)
    scores = model.get_output_embeddings() if scored else None
    apart = {
        path: resized_rows(own.weight, wanted, std)
        for path, own in _tables_apart(model).items()
        if own.num_embeddings == table.num_embeddings
    }
    put(nn.Embedding(wanted, table.embedding_dim, padding_idx=pad, _weight=weight))
    for path, own_weight in apart.items():
        place(model, path, nn.Embedding(wanted, table.embedding_dim, padding_idx=pad, _weight=own_weight))
    if scores is not None:
        grown = Linear(scores.in_features, wanted, bias=scores.bias is not None, device="meta")
        grown.weight = resized_rows(scores.weight, wanted, std)
        if scores.bias is not None:
            grown.bias = resized_rows(scores.bias, wanted, std)
        model.set_output_embeddings(grown)
    model.tie_weights()


def _tables_apart(model: PreTrainedModel) -> dict[str, nn.Embedding]:
    """Path to each table of a pair's stack that has values of its own though another could serve it."""
    found, tied = {}, model.tied()
    for name, source in model.ties.items():
        path = name.rpartition(".")[0]
        own = model.get_submodule(path)
        if name not in tied and isinstance(own, nn.Embedding) and own.weight is not model.get_parameter(source):
            found[path] = own
    return found
