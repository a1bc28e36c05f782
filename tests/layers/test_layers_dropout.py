"""Dropout with noise drawn in bulk: the right share, the right scale, the same choices for the same seed."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from enfold.layers.dropout import Dropout
from enfold.layers.noise import Noise, rounded


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_the_share_that_is_dropped(share):
    torch.manual_seed(0)
    kept = Dropout(share)(torch.ones(400, 250)).ne(0)
    dropped = int((~kept).sum())
    assert stats.binomtest(dropped, kept.numel(), rounded(share)).pvalue > 1e-4
    # Neither rows nor columns are favoured.
    for axis in (0, 1):
        counts = kept.sum(axis).double()
        expected = counts.mean()
        spread = float((counts - expected).square().sum() / (expected * share))
        assert stats.chi2.sf(spread, len(counts) - 1) > 1e-4


def test_what_is_kept_is_scaled_so_that_the_mean_stays():
    torch.manual_seed(0)
    out = Dropout(0.1)(torch.ones(1000))
    assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - rounded(0.1))])
    assert rounded(0.1) == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_residual_is_added_and_gradients_follow(dtype):
    hidden = torch.randn(50, 40).to(dtype).requires_grad_()
    residual = torch.randn(50, 40, requires_grad=True)
    torch.manual_seed(3)
    out = Dropout(0.3)(hidden, residual)
    torch.manual_seed(3)
    factor = Dropout(0.3)(torch.ones(50, 40))
    torch.testing.assert_close(out, residual + (factor * hidden).float(), atol=2e-2, rtol=2e-2)
    upstream = torch.randn(50, 40)
    out.backward(upstream)
    assert torch.equal(residual.grad, upstream)
    assert hidden.grad.dtype == dtype
    torch.testing.assert_close(hidden.grad.float(), upstream * factor, atol=2e-2, rtol=2e-2)


def test_nothing_is_dropped_in_evaluation_or_at_zero():
    hidden, residual = torch.randn(5, 4), torch.randn(5, 4)
    assert Dropout(0.5).eval()(hidden) is hidden
    assert torch.equal(Dropout(0.5).eval()(hidden, residual), hidden + residual)
    assert Dropout(0.0)(hidden) is hidden
    assert Dropout(1.0)(hidden).eq(0).all()


def test_a_seed_repeats_its_choices():
    def draw(seed: int) -> torch.Tensor:
        return Noise(seed, 0.2, torch.device("cpu")).draw(7, 5)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
