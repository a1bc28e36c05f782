"""Shared checks: one of our models against the ``transformers`` class of the same name.

A family's test says which classes, settings and inputs are compared; how is said here, once. Models are compared
with the same random weights, large enough that a wrong activation, epsilon or position changes what comes out.
Each comparison is made twice: in float32, where every tensor must agree to 1e-4 of its largest value, and in float64,
where rounding no longer hides a small mistake. Files and configs are compared by ``file_checkers``, one model with
itself by ``self_checkers``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4
# Some families compute parts in float32 whatever their weights are; their tests ask for less.
EXACT = 1e-8

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """Our model and theirs, with the same weights."""

    ours: nn.Module
    theirs: nn.Module


# ---- weights ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Fill every floating tensor of the state dict: norms, biases, embeddings, their padding rows and saved buffers.

    Values are drawn so that each block keeps telling places apart: maps and biases larger than these make all hidden
    states alike, and a comparison blind. Heads, which are maps to a few outputs or to the vocabulary, are larger.
    """
    generator = torch.Generator().manual_seed(seed)
    vocabulary = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    filled: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not tensor.is_floating_point() or tensor.data_ptr() in filled:
            continue
        filled.add(tensor.data_ptr())
        values = torch.randn(tensor.shape, generator=generator)
        owner = model.get_submodule(name.rpartition(".")[0])
        if tensor.dim() < 2:
            values = 1.5 + 0.6 * values if name.endswith("weight") else 0.2 * values
        elif isinstance(owner, nn.Embedding):
            values *= 0.5
        else:
            head = owner is vocabulary or tensor.shape[0] < 8
            values *= (8.0 if head else 1.2) / tensor.shape[-1] ** 0.5
        tensor.copy_(values)


def make_pair(our_class: type, their_class: type, settings: Mapping[str, Any], *, seed: int = 0, **build: Any) -> Pair:
    """Both models with these settings of ``config.json`` and the same random weights, in evaluation mode."""
    theirs = their_class(their_class.config_class(**settings), **build).eval()
    theirs.set_attn_implementation("eager")
    ours = our_class(our_class.config_class(**settings), **build).eval()
    randomise(theirs, seed)
    assert_same_state(ours, theirs)
    ours.load_state_dict(theirs.state_dict())
    return Pair(ours, theirs)


def assert_same_state(ours: nn.Module, theirs: nn.Module) -> None:
    """The names, shapes and precisions in both state dicts are the same, and so is which parameters are shared."""
    own, other = ours.state_dict(keep_vars=True), theirs.state_dict(keep_vars=True)
    assert_same_names("state dict", own, other)
    for name, tensor in other.items():
        found, wanted = (own[name].shape, own[name].dtype), (tensor.shape, tensor.dtype)
        assert found == wanted, f"{name} is {found}, theirs is {wanted}"
    assert_same_names("parameters", _shared_names(ours), _shared_names(theirs))


def _shared_names(model: nn.Module) -> dict[str, nn.Parameter]:
    """Each parameter once, by all the names it has."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    return {" = ".join(sorted(own)): parameter for parameter, own in names.items()}


def assert_same_names(what: str, own: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Both have the same keys, in any order."""
    lacking, more = sorted(set(other) - set(own)), sorted(set(own) - set(other))
    assert not lacking and not more, f"{what}: ours lacks {lacking} and has besides {more}"


# ---- inputs -----------------------------------------------------------------------------------------------------

MASKS = ("none", "right", "left", "holes")
ROWS, SEQ = 4, 9


def attention_mask(kind: str) -> Tensor | None:
    """A mask of 4 rows of 9 places: no mask, padded at the right, at the left, or with masked places in between."""
    right = (torch.arange(SEQ) < torch.tensor([[9], [4], [7], [1]])).long()
    holes = [[1, 0, 1, 1, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 0], [1, 0, 0, 0, 0, 0, 0, 0, 1], [1] * SEQ]
    return {"none": None, "right": right, "left": right.flip(1), "holes": torch.tensor(holes)}[kind]


def sample_inputs(settings: Mapping[str, Any], mask: str = "none", *, seed: int = 0) -> dict[str, Tensor]:
    """Token ids of 4 rows of 9 places, with a mask of that kind."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {"input_ids": torch.randint(0, settings["vocab_size"], (ROWS, SEQ), generator=generator)}
    real = attention_mask(mask)
    return inputs if real is None else inputs | {"attention_mask": real}


@dataclass(frozen=True)
class Places:
    """Of a pair of stacks: (rows, seq) of booleans where the decoder's, and the encoder's, places are real."""

    own: Tensor | None
    encoder: Tensor | None


def real_places(inputs: Inputs) -> Any:
    """(rows, seq) of booleans where the inputs have a mask of places, else None; ``Places`` for a pair of stacks."""
    if any(name.startswith("decoder") for name in inputs):
        masks = (inputs.get(name) for name in ("decoder_attention_mask", "attention_mask"))
        return Places(*(None if mask is None else mask != 0 for mask in masks))
    mask, ids, vectors = (inputs.get(name) for name in ("attention_mask", "input_ids", "inputs_embeds"))
    shape = ids.shape if ids is not None else vectors.shape[:-1]
    return mask.flatten(0, -2) != 0 if mask is not None and mask.shape == shape else None


# ---- outputs ----------------------------------------------------------------------------------------------------


def assert_same_outputs(pair: Pair, inputs: Inputs, *, exact: float | None = EXACT, only_float64: bool = False) -> None:
    """Logits, loss, every gradient, hidden states and attentions are the same at real places.

    Args:
        pair: the two models.
        inputs: what both are called with; labels make a loss, else a random projection of the outputs is one.
        exact: the tolerance in float64; None where theirs gives no numbers there.
        only_float64: leave out float32 where float64 is compared: enough to see that two models hold the same weights.
    """
    vanishing: frozenset[str] | None = None
    for dtype, tolerance in ((torch.float64, exact), (torch.float32, TOLERANCE)):
        if tolerance is None or (dtype == torch.float32 and only_float64 and exact is not None):
            continue
        with _in_precision(pair, dtype):
            vanishing = assert_same_logits_and_gradients(pair, inputs, dtype, tolerance, vanishing)
            assert_same_states(pair, inputs, dtype, tolerance)


def assert_same_logits_and_gradients(
    pair: Pair, inputs: Inputs, dtype: torch.dtype, tolerance: float, vanishing: frozenset[str] | None = None
) -> frozenset[str]:
    """The outputs that ``transformers`` gives, the loss too, and the gradients of all parameters and input vectors.

    For ``vanishing`` and what is returned see ``assert_same_gradients``.
    """
    real = real_places(inputs)
    own_inputs, other_inputs = _copied(inputs, dtype), _copied(inputs, dtype)
    ours, theirs = pair.ours(**own_inputs), pair.theirs(**other_inputs)
    assert list(ours.keys()) == list(theirs.keys()), f"outputs {list(ours.keys())}, theirs {list(theirs.keys())}"
    for name in theirs:
        own, other = select(name, ours[name], real), select(name, theirs[name], real)
        if name.endswith("logits") or name == "last_hidden_state":
            assert_loud(name, other)
        if name == "loss" and other.dtype == torch.float32:
            own = own.float()  # some of theirs are in float32 whatever the model is in
        assert_close(name, own, other, tolerance)
    own_gradients = gradients(pair.ours, projected(ours, real), own_inputs)
    other_gradients = gradients(pair.theirs, projected(theirs, real), other_inputs)
    return assert_same_gradients(own_gradients, other_gradients, tolerance, vanishing)


def assert_same_states(pair: Pair, inputs: Inputs, dtype: torch.dtype, tolerance: float) -> None:
    """Hidden states of the embeddings and each block, and attention weights of each block."""
    real = real_places(inputs)
    asked = _copied(inputs, dtype) | {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        ours, theirs = pair.ours(**asked), pair.theirs(**asked)
    kinds = [kind for kind in theirs if kind.endswith(("hidden_states", "attentions")) and theirs[kind]]
    assert len(kinds) in (2, 5), f"theirs gives only {kinds}"
    for kind in kinds:
        own_states, other_states = ours.get(kind), theirs.get(kind)
        found = 0 if own_states is None else len(own_states)
        assert found == len(other_states), f"{found} {kind}, theirs {len(other_states)}"
        for number, (own, other) in enumerate(zip(own_states, other_states, strict=True)):
            assert own.shape == other.shape, f"{kind}[{number}] is {own.shape}, theirs is {other.shape}"
            assert_close(f"{kind}[{number}]", select(kind, own, real), select(kind, other, real), tolerance)


def select(name: str, values: Tensor, real: Any) -> Tensor:
    """What of an output is compared: that at real places, where it has places; of attentions, those of real queries."""
    real = places_of(name, real)
    if name.endswith("attentions"):
        return values if real is None else values.transpose(1, 2)[real]
    return values[real] if real is not None and has_places(name, values, real) else values


def places_of(name: str, real: Any) -> Tensor | None:
    """Which places are real where an output has places: the encoder's, or those the head reads."""
    return (real.encoder if name.startswith("encoder") else real.own) if isinstance(real, Places) else real


def has_places(name: str, values: Tensor, real: Tensor) -> bool:
    """Whether an output has one entry for each place of each row, (rows, seq, …), as ``real`` has."""
    states = name.endswith(("last_hidden_state", "hidden_states")) or name in ("start_logits", "end_logits")
    return states or (name.endswith("logits") and (values.dim() == 3 or values.shape == real.shape))


def assert_loud(name: str, values: Tensor) -> None:
    """From place to place, or row to row, each output varies enough for a comparison to mean something.

    Logits must have a standard deviation of 1, hidden states of 0.5: they differ from each other besides.
    """
    flat = values.detach() if values.dim() == 1 else values.detach().flatten(0, -2)
    spread, least = float(flat.std(0).mean()), 1.0 if name.endswith("logits") else 0.5
    assert spread >= least, f"{name} has a standard deviation of only {spread:.2g}: randomise the weights, larger"


def assert_close(name: str, ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """max|ours - theirs| <= tolerance max|theirs|, with the same shape and precision."""
    assert ours.shape == theirs.shape, f"{name} is {tuple(ours.shape)}, theirs is {tuple(theirs.shape)}"
    assert ours.dtype == theirs.dtype, f"{name} is {ours.dtype}, theirs is {theirs.dtype}"
    own, other = ours.detach(), theirs.detach()
    largest, worst = float(other.abs().max()), float((own - other).abs().max())
    # Written so that a value which is not a number fails.
    assert worst <= tolerance * largest, f"{name} is off by {worst:.3g}, theirs reaches {largest:.3g}"


def projected(outputs: Any, real: Any) -> Tensor:
    """The loss, or where there is none the outputs weighed at random and summed."""
    if outputs.get("loss") is not None:
        return outputs["loss"]
    generator = torch.Generator().manual_seed(1)
    total = torch.zeros((), dtype=torch.float64)
    for name in outputs:
        if name.startswith("encoder"):
            continue
        values = select(name, outputs[name], real)
        total = total + (values.double() * torch.randn(values.shape, generator=generator)).sum()
    return total


def gradients(model: nn.Module, loss: Tensor, inputs: Inputs | None = None) -> dict[str, Tensor | None]:
    """The gradient of each parameter by every name it has, and of each input that asked for one."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters(remove_duplicate=False)}
    for name, values in (inputs or {}).items():
        if isinstance(values, Tensor) and values.requires_grad:
            found[name] = values.grad
    model.zero_grad(set_to_none=True)
    return found


def assert_same_gradients(
    ours: Mapping[str, Tensor | None],
    theirs: Mapping[str, Tensor | None],
    tolerance: float,
    vanishing: frozenset[str] | None = None,
) -> frozenset[str]:
    """Each parameter that has a gradient in one has it in the other, and it is the same.

    Some gradients are zero but for rounding: a softmax does not change when a key's bias shifts all scores of a query,
    or a head's bias all scores of a row. Such a one, far below the largest gradient of all, must be so in both.

    Args:
        ours, theirs: by name.
        tolerance: relative, within each tensor.
        vanishing: the gradients that may be only rounding; any where None.

    Returns:
        The names of those that were only rounding.
    """
    assert_same_names("gradients", ours, theirs)
    noise = 0.1 * tolerance * max(float(gradient.abs().max()) for gradient in theirs.values() if gradient is not None)
    found = set()
    for name, other in theirs.items():
        own = ours[name]
        if own is None or other is None:
            assert own is other, f"{name} has {'no gradient, theirs has' if own is None else 'a gradient, theirs none'}"
        elif float(other.abs().max()) > noise:
            assert_close(f"gradient of {name}", own, other, tolerance)
        else:
            found.add(name)
            assert float(own.abs().max()) <= noise, f"the gradient of {name} reaches {own.abs().max():.3g}, theirs is 0"
            told = vanishing is None or name in vanishing
            assert told, f"the gradient of {name} drowns in rounding: randomise the weights, larger"
    return frozenset(found)


def _copied(inputs: Inputs, dtype: torch.dtype) -> dict[str, Any]:
    """The inputs with floats in that precision, and vectors in place of ids as leaves that get a gradient."""
    copied: dict[str, Any] = {}
    for name, values in inputs.items():
        floats = isinstance(values, Tensor) and values.is_floating_point()
        copied[name] = values.to(dtype, copy=True) if floats else values
        if name.endswith("inputs_embeds"):
            copied[name].requires_grad_()
    return copied


@contextmanager
def _in_precision(pair: Pair, dtype: torch.dtype) -> Iterator[None]:
    """Both models in that precision inside; float32 weights come back as they were."""
    for model in (pair.ours, pair.theirs):
        model.to(dtype)
    try:
        yield
    finally:
        for model in (pair.ours, pair.theirs):
            model.to(torch.float32)
