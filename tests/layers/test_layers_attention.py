"""Attention over packed rows against plain softmax(q k / sqrt(d)) v, one row at a time, in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from enfold.errors import InputError
from enfold.layers import grouping
from enfold.layers.attention import attention, attention_weights
from enfold.layers.packing import Layout, layout_of

HEADS, WIDTH = 3, 4


def tensors(tokens: int, keys: int | None = None, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = (tokens, keys or tokens, keys or tokens)
    return [torch.randn(n, HEADS, WIDTH, generator=generator, dtype=dtype).requires_grad_() for n in sizes]


def cross(q_lengths: list[int], kv_lengths: list[int]) -> Layout:
    own, other = layout_of(torch.tensor(q_lengths)), layout_of(torch.tensor(kv_lengths))
    return replace(own, kv_offsets=other.q_offsets, kv_lengths=other.q_lengths)


def plainly(q: Tensor, k: Tensor, v: Tensor, layout: Layout, bias: Tensor | None = None) -> Tensor:
    """The formula, written as in the paper, a row at a time."""
    results = []
    rows = zip(
        q.split(layout.q_lengths.tolist()),
        k.split(layout.kv_lengths.tolist()),
        v.split(layout.kv_lengths.tolist()),
        strict=True,
    )
    for row, (queries, keys, values) in enumerate(rows):
        scores = torch.einsum("qhd,khd->hqk", queries, keys) / WIDTH**0.5
        if bias is not None:
            scores = scores + bias[row]
        at = torch.arange(queries.shape[0])[:, None] + keys.shape[0] - queries.shape[0]
        to = torch.arange(keys.shape[0])[None]
        if layout.causal:
            scores = scores.masked_fill(to > at, -torch.inf)
        if layout.window is not None:
            scores = scores.masked_fill((to - at).abs() > layout.window, -torch.inf)
        results.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), values))
    return torch.cat(results)


def assert_same(layout: Layout, bias: Tensor | None = None) -> None:
    inputs = tensors(int(layout.q_lengths.sum()), int(layout.kv_lengths.sum()))
    found, expected = attention(*inputs, layout, bias=bias), plainly(*inputs, layout, bias)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected)
    for own, other in zip(
        torch.autograd.grad(found, inputs, upstream), torch.autograd.grad(expected, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(own, other)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.booleans(), st.sampled_from([None, 0, 3]))
@settings(max_examples=15, deadline=None)
def test_rows_of_any_lengths(lengths, causal, window):
    assert_same(replace(layout_of(torch.tensor(lengths)), causal=causal, window=window))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=10, deadline=None)
def test_keys_of_their_own_as_in_cross_attention_and_with_a_cache(sizes, causal):
    layout = cross([queries for queries, _ in sizes], [queries + more for queries, more in sizes])
    assert_same(replace(layout, causal=causal))


def test_rows_too_long_for_one_piece():
    assert_same(layout_of(torch.tensor([520, 513])))


def test_long_and_short_rows_together():
    assert_same(layout_of(torch.tensor([400, 3, 7, 7, 390])))


@pytest.mark.parametrize("lengths", [[60], [60, 60, 60], [90, 88, 4, 60], [300, 49, 48, 47]])
def test_without_gradients_the_fused_kernel_gives_the_same(lengths):
    # The kernel is only chosen for tensors that ask for no gradient.
    inputs, layout = [own.detach() for own in tensors(sum(lengths))], layout_of(torch.tensor(lengths))
    for causal in (False, True):
        own = replace(layout, causal=causal)
        torch.testing.assert_close(attention(*inputs, own), plainly(*inputs, own))


@pytest.mark.parametrize("shape", [(2, 1, 1, 5), (2, HEADS, 5, 5), (1, 1, 5, 5)])
def test_a_bias_is_added_to_the_scores(shape):
    generator = torch.Generator().manual_seed(3)
    bias = torch.randn(shape, generator=generator, dtype=torch.float64)
    assert_same(layout_of(torch.tensor([5, 5])), bias.expand(2, *shape[1:]))
    inputs, layout = tensors(10), layout_of(torch.tensor([5, 5]))
    torch.testing.assert_close(
        attention(*inputs, layout, bias=bias), plainly(*inputs, layout, bias.expand(2, *shape[1:]))
    )


def test_a_query_that_may_look_nowhere_gets_nothing():
    bias = torch.zeros(2, 1, 1, 3, dtype=torch.float64)
    bias[0] = -torch.inf
    inputs = tensors(6)
    out = attention(*inputs, layout_of(torch.tensor([3, 3])), bias=bias)
    assert out[:3].eq(0).all()
    assert not out[3:].eq(0).any()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(out.sum(), inputs))


def test_no_rows_and_rows_of_nothing():
    assert attention(*tensors(0), layout_of(torch.tensor([0, 0]))).shape == (0, HEADS, WIDTH)
    assert_same(layout_of(torch.tensor([0, 3, 0, 5])))


def test_queries_without_keys_are_refused():
    with pytest.raises(InputError, match="row 1 has 2 queries and 0 keys"):
        attention(*tensors(4, 3), cross([2, 2], [3, 0]))


def test_a_row_does_not_depend_on_the_others():
    lengths = [9, 8, 30, 2, 8, 9, 31]
    inputs = tensors(sum(lengths), dtype=torch.float32)
    together = attention(*inputs, layout_of(torch.tensor(lengths))).split(lengths)
    rows = zip(*(tensor.split(lengths) for tensor in inputs), strict=True)
    for row, own in enumerate(rows):
        alone = attention(*own, layout_of(torch.tensor([lengths[row]])))
        torch.testing.assert_close(together[row], alone, atol=1e-6, rtol=1e-6)


class TestDropout:
    lengths = (6, 6, 5, 20)

    def test_the_same_seed_drops_the_same(self):
        inputs, layout = tensors(37), layout_of(torch.tensor(self.lengths))
        torch.manual_seed(1)
        first = attention(*inputs, layout, dropout=0.5)
        assert not torch.equal(first, attention(*inputs, layout, dropout=0.5))
        torch.manual_seed(1)
        assert torch.equal(first, attention(*inputs, layout, dropout=0.5))

    def test_it_keeps_the_mean(self):
        inputs, layout = tensors(37, dtype=torch.float32), layout_of(torch.tensor(self.lengths))
        torch.manual_seed(0)
        drawn = torch.stack([attention(*inputs, layout, dropout=0.3).detach() for _ in range(1000)])
        expected = attention(*inputs, layout).detach()
        error = (drawn.mean(0) - expected) / (drawn.std(0) / 1000**0.5)
        assert float(error.abs().max()) < 5.0

    def test_backward_is_that_of_what_was_kept(self):
        inputs, layout = tensors(37), layout_of(torch.tensor(self.lengths))

        def dropped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            torch.manual_seed(5)
            return attention(q, k, v, layout, dropout=0.4)

        assert torch.autograd.gradcheck(dropped, inputs, fast_mode=True)


class TestTheCompiledOperation:
    """Compiled code calls it where eager code keeps the weights; it computes them again in backward."""

    def arguments(self, dropout: float) -> tuple:
        lengths = torch.tensor([6, 5, 20])
        seed = torch.tensor([11]) if dropout else None
        return *tensors(31, dtype=torch.float32), lengths, lengths, None, seed, 0.5, False, -1, dropout

    @pytest.mark.parametrize("dropout", [0.0, 0.25])
    def test_it_is_registered_as_it_behaves(self, dropout):
        checks = ("test_schema", "test_autograd_registration", "test_faketensor")
        torch.library.opcheck(torch.ops.enfold.attention.default, self.arguments(dropout), test_utils=checks)

    @pytest.mark.parametrize("dropout", [0.0, 0.25])
    def test_it_equals_eager_attention(self, dropout):
        inputs, layout = tensors(31, dtype=torch.float32), layout_of(torch.tensor([6, 5, 20]))
        torch.manual_seed(2)
        seed = torch.randint(0, 2**31 - 1, (1,))
        torch.manual_seed(2)
        eager = attention(*inputs, layout, dropout=dropout)
        share = round(dropout * 65536) / 65536
        tail = (layout.q_lengths, layout.kv_lengths, None, seed if dropout else None, WIDTH**-0.5, False, -1, share)
        compiled = torch.ops.enfold.attention(*inputs, *tail)
        torch.testing.assert_close(compiled, eager)
        for own, other in zip(
            torch.autograd.grad(compiled.square().sum(), inputs),
            torch.autograd.grad(eager.square().sum(), inputs),
            strict=True,
        ):
            torch.testing.assert_close(own, other)


def test_the_weights_that_observers_see():
    layout = replace(layout_of(torch.tensor([4, 2])), causal=True)
    q, k, v = tensors(6)
    weights = attention_weights(q, k, layout)
    assert [tuple(own.shape) for own in weights] == [(HEADS, 4, 4), (HEADS, 2, 2)]
    rows = zip(weights, v.split([4, 2]), strict=True)
    mixed = torch.cat([torch.einsum("hqk,khd->qhd", own, values) for own, values in rows])
    torch.testing.assert_close(mixed, attention(q, k, v, layout))


class TestGroups:
    device = torch.device("cpu")

    def plan(self, *lengths: int, heads: int = 12) -> grouping.Plan:
        return grouping.plan_for(lengths, lengths, heads, self.device)

    def test_rows_of_one_length_are_one_group_and_stay_where_they_are(self):
        plan = self.plan(20, 20, 20)
        assert [group.rows for group in plan.groups] == [(0, 1, 2)]
        assert plan.queries.index is None

    def test_long_rows_are_used_in_place_one_by_one(self):
        plan = self.plan(256, 300)
        assert sorted(group.rows for group in plan.groups) == [(0,), (1,)]
        assert plan.queries.index is None

    def test_long_rows_among_short_ones_are_not_copied(self):
        plan = self.plan(7, 300, 7)
        starts = dict(zip((group.rows for group in plan.groups), plan.queries.starts, strict=True))
        assert starts == {(1,): 7, (0, 2): -1}

    def test_rows_of_nearly_one_length_are_padded_together(self):
        plan = self.plan(20, 19, 90, 20)
        assert sorted(group.rows for group in plan.groups) == [(0, 1, 3), (2,)]
        (together,) = (group for group in plan.groups if len(group.rows) == 3)
        assert together.padding is not None

    def test_aligned_rows_are_as_long_as_they_would_be_alone_or_longer_by_whole_vectors(self):
        plan = grouping.plan_for((20, 33, 48, 300, 7), (20, 33, 48, 300, 7), 12, self.device, aligned=True)
        lengths = {row: group.q_length for group in plan.groups for row in group.rows}
        assert lengths == {0: 32, 1: 48, 2: 48, 3: 300, 4: 32}
        assert [group.rows for group in plan.groups if group.q_length == 300] == [(3,)]

    @given(st.lists(st.integers(0, 60), max_size=20), st.booleans())
    @settings(max_examples=50, deadline=None)
    def test_what_is_spread_comes_back(self, lengths, aligned):
        plan = grouping.plan_for(tuple(lengths), tuple(lengths), HEADS, self.device, aligned)
        packed = torch.randn(sum(lengths), HEADS, WIDTH)
        whole, parts = plan.queries.room(packed)
        for part, own in zip(parts, plan.queries.spread(packed), strict=True):
            part.copy_(own)
        assert torch.equal(plan.queries.collect(whole, HEADS), packed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("seeing", [{}, {"causal": True}, {"window": 5}])
def test_without_gradients_a_row_comes_out_bit_for_bit_as_alone(dtype, seeing):
    """Else what is rounded to a byte next would depend on the other rows of a batch."""
    lengths = [3, 47, 16, 110, 5, 48, 31, 90, 200, 16, 30]
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(sum(lengths), 12, 32, generator=generator).to(dtype) for _ in range(3))
    with torch.no_grad():
        together = attention(q, k, v, replace(layout_of(torch.tensor(lengths)), **seeing)).split(lengths)
        rows = zip(*(own.split(lengths) for own in (q, k, v)), lengths, strict=True)
        for (*own, length), found in zip(rows, together, strict=True):
            assert torch.equal(attention(*own, replace(layout_of(torch.tensor([length])), **seeing)), found)


@pytest.mark.parametrize(
    ("q_lengths", "kv_lengths"), [([16, 48], [5, 33]), ([3, 9], [16, 32]), ([16, 16], [32, 32]), ([1, 60], [60, 1])]
)
def test_without_gradients_either_side_may_need_padding(q_lengths, kv_lengths):
    layout = cross(q_lengths, kv_lengths)
    q, k, v = tensors(sum(q_lengths), sum(kv_lengths))
    with torch.no_grad():
        torch.testing.assert_close(attention(q, k, v, layout), plainly(q, k, v, layout))


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: the variable-length kernel runs there only"
)
@pytest.mark.parametrize("causal", [False, True])
def test_the_variable_length_kernel_agrees(causal):
    layout = replace(layout_of(torch.tensor([17, 5, 64])), causal=causal)
    inputs = [torch.randn(86, HEADS, 32, device="cuda", dtype=torch.bfloat16) for _ in range(3)]
    found = attention(*inputs, layout.to("cuda"))
    expected = attention(*(tensor.float().cpu() for tensor in inputs), layout)
    torch.testing.assert_close(found.float().cpu(), expected, atol=2e-2, rtol=2e-2)
