"""From a checkpoint's tensors to a model on the meta device: which is which, what is new, what is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from enfold.errors import CheckpointError
from enfold.layers.linear import QuantisedLinear
from enfold.layers.specs import PairSpec, StackSpec
from enfold.models.initialise import initialise
from enfold.models.weights import LoadingReport, rename

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel
    from enfold.models.sources import Tensors

__all__ = ["assign", "read_weights"]

log = logging.getLogger("enfold.models")


def read_weights(
    model: PreTrainedModel, checkpoint: Tensors, *, dtype: torch.dtype | None, ignore_mismatched_sizes: bool = False
) -> LoadingReport:
    """Give every parameter of a model on the meta device its values.

    The stack must be complete in the checkpoint. A head may be missing as a whole and is then initialised anew, which
    is said. A tensor of another head of the family is left alone; one that nothing explains is refused.

    Args:
        model: on the meta device.
        checkpoint: the open files.
        dtype: the precision of the result; that of the file's first floating tensor where None.
        ignore_mismatched_sizes: initialise misshapen parameters anew.

    Raises:
        CheckpointError: a tensor is missing, misshapen or unknown; all such are named.
    """
    wanted: dict[str, Tensor] = model.state_dict(keep_vars=True)
    found, unexpected = _match(model, checkpoint.names, wanted)
    fixed = _begin_fixed(model, [name for name in wanted if name not in found])
    wanted = {name: tensor for name, tensor in wanted.items() if name not in fixed}
    tensors = {name: checkpoint.tensor(own) for name, own in found.items()}
    _settle_ties(model, tensors)
    missing = [name for name in wanted if name not in tensors and name not in model.tied()]
    misshapen = [name for name in wanted if name in tensors and tensors[name].shape != wanted[name].shape]
    strangers = [name for name in unexpected if not _of_a_head(model, name)]
    lost = _lost(model, missing, [*tensors, *(rename(own, model.family.older) for own in unexpected)])
    faults = []
    if lost:
        faults.append(f"missing: {_some(lost)}")
    if misshapen and not ignore_mismatched_sizes:
        shapes = [f"{n} is {list(tensors[n].shape)}, the config asks for {list(wanted[n].shape)}" for n in misshapen]
        way_out = "; ignore_mismatched_sizes=True starts them anew" if not _lost(model, misshapen, []) else ""
        faults.append(f"wrongly shaped: {_some(shapes)}{way_out}")
    if strangers:
        faults.append(f"unknown: {_some(strangers)}")
    if faults:
        raise CheckpointError(f"{checkpoint.folder} does not fit {type(model).__name__}; {'; '.join(faults)}")
    dtype = dtype or next((t.dtype for t in tensors.values() if t.is_floating_point()), torch.float32)
    fresh = [*missing, *misshapen]
    for name in fixed:
        assign(model, name, model.state_dict()[name].to(dtype))
    for name, parameter in wanted.items():
        if name in fresh:
            assign(model, name, torch.empty(parameter.shape, dtype=dtype))
        elif name in tensors:
            tensor = tensors[name]
            owner = model.get_submodule(name.rpartition(".")[0])
            kept = not tensor.is_floating_point() or isinstance(owner, QuantisedLinear)  # scales stay as they are
            assign(model, name, tensor if kept else tensor.to(dtype))
    initialise(model, model.family.spec(model.config).init_std, only=set(fresh))
    model.tie_weights()
    if fresh:
        log.warning("%s: newly initialised, so train before use: %s", type(model).__name__, _some(fresh))
    return LoadingReport(tuple(missing), tuple(misshapen), tuple(name for name in unexpected if name not in strangers))


def assign(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Put ``tensor`` in the place of a parameter or buffer, by its full name."""
    owner_name, _, leaf = name.rpartition(".")
    owner = model.get_submodule(owner_name)
    if leaf in owner._parameters:
        old = owner._parameters[leaf]
        owner._parameters[leaf] = nn.Parameter(tensor, requires_grad=old is not None and old.requires_grad)
    else:
        owner._buffers[leaf] = tensor


def _begin_fixed(model: PreTrainedModel, names: list[str]) -> set[str]:
    """Give buffers and fixed tables that the file does not have the values they always have; their names."""
    fixed = set()
    for name in names:
        owner_name, _, leaf = name.rpartition(".")
        owner = model.get_submodule(owner_name)
        if any(name == plan.buffer for plan in model.family.heads.values()):
            old = owner._buffers[leaf]
            assert old is not None
            owner._buffers[leaf] = torch.zeros(old.shape)
        elif (own := owner._parameters.get(leaf)) is not None and not own.requires_grad and hasattr(owner, "begin"):
            assign(model, name, torch.empty(own.shape))
            owner.begin()  # type: ignore[operator]
        else:
            continue
        fixed.add(name)
    return fixed


def _match(
    model: PreTrainedModel, names: Iterable[str], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, str], list[str]]:
    """Parameter name to the name in the file, and the names in the file that match none."""
    found: dict[str, str] = {}
    unexpected = []
    prefix = f"{model.base_model_prefix}."
    others = {plan.attribute for plan in model.family.heads.values() if plan.attribute} | {model.family.attribute}
    for own in names:
        name = rename(own, model.family.older)
        if any(re.search(pattern, name) for pattern in model.family.derived):
            continue
        # A stack saved alone lacks the prefix that a model with a head has, and the other way round.
        # And some heads keep it under a name of their own.
        first, _, rest = name.partition(".")
        bare = rest if first in others else name
        for candidate in (name, prefix + name, name.removeprefix(prefix), prefix + bare):
            if candidate in wanted:
                found[candidate] = own
                break
        else:
            unexpected.append(own)
    return found, unexpected


def _settle_ties(model: PreTrainedModel, tensors: dict[str, Tensor]) -> None:
    """Tie what config and file both say is tied; where two tensors differ, keep both and say so."""
    pairs = model.tied() or model.ties
    differing = [
        name
        for name, source in pairs.items()
        if name in tensors and source in tensors and not torch.equal(tensors[name], tensors[source])
    ]
    if differing and model.tied():
        model.config.tie_word_embeddings = False  # type: ignore[attr-defined]
        log.warning("the config says tied, but the file has differing tensors, kept apart: %s", _some(differing))
    for name, source in pairs.items():
        if name in tensors and source not in tensors:
            tensors[source] = tensors[name]
        # Word vectors give no head that the file lacks, but older files hold what both stacks share once.
        elif (
            source in tensors
            and name not in (*tensors, *model.tied())
            and (differing or _in_stack(model, name) or not _in_stack(model, source))
        ):
            tensors[name] = tensors[source].clone()
    for name in model.tied():
        tensors.pop(name, None)


def _in_stack(model: PreTrainedModel, name: str) -> bool:
    """Whether a parameter belongs to the stack, which every head shares; the pooler does not."""
    return name not in _names_of_heads(model, [name])


def _names_of_heads(model: PreTrainedModel, names: Iterable[str]) -> set[str]:
    groups = _groups(model)
    return {name for name in names if any(_under(name, path) for group in groups for path in group)}


def _groups(model: PreTrainedModel) -> list[tuple[str, ...]]:
    """The paths of all heads of the family and of the pooler; what stands together comes or is missing together."""
    plans = [plan.of(model.config) for plan in model.family.heads.values()]
    paths = sorted({group for plan in plans for group in plan.groups})
    spec = model.family.spec(model.config)
    if isinstance(spec, StackSpec) and "pooler" in spec.names:
        pooler = spec.names["pooler"]
        paths.append((pooler, f"{model.base_model_prefix}.{pooler}"))
    return paths


def _under(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.")


def _of_a_head(model: PreTrainedModel, own: str) -> bool:
    """Whether a tensor of the file belongs to a head, or to a stack of the pair, that this model does not have."""
    name = rename(own, model.family.older)
    if any(_under(name, path) for path in model.family.unread):
        return True
    if _names_of_heads(model, [name]) or any(name == plan.buffer for plan in model.family.heads.values()):
        return True
    spec = model.family.spec(model.config)
    if not isinstance(spec, PairSpec):
        return False
    name = name.removeprefix(f"{model.base_model_prefix}.")
    return any(_under(name, path) for path in ("encoder", "decoder", spec.shared) if path is not None)


def _lost(model: PreTrainedModel, missing: list[str], names: list[str]) -> list[str]:
    """The missing names that cannot be initialised anew: the stack's, and those of a head that is there in part.

    A part that two heads have says nothing of the one where the file has the whole other.
    """
    of_heads = _names_of_heads(model, missing)
    lost = [name for name in missing if name not in of_heads]
    groups = _groups(model)
    there = {path for group in groups for path in group if any(_under(name, path) for name in names)}
    whole = [group for group in groups if there.issuperset(group)]
    for group in groups:
        others = {path for other in whole if not set(other) <= set(group) for path in other}
        if any(path in there and path not in others for path in group):
            lost += [name for name in missing if any(_under(name, path) for path in group)]
    return lost


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
