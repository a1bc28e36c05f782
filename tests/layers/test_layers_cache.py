"""Tokens that come bit by bit, with a cache, get what they get when their whole row is computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from enfold.errors import InputError
from enfold.layers.attention import Attention, CrossAttention
from enfold.layers.cache import Cache
from enfold.layers.context import Context, Memory, ScoreBias
from enfold.layers.packing import Layout, crossing, layout_of
from enfold.layers.positions import RelativeBias
from enfold.layers.specs import AttentionSpec, RelativeSpec

WIDTH, HEADS, HEAD_WIDTH = 16, 4, 6


class Reader:
    """An attention with its maps, over whole rows or over what comes after a cache."""

    def __init__(self, seed: int = 0, bias: ScoreBias | None = None, **spec: Any) -> None:
        own = AttentionSpec(heads=HEADS, head_width=HEAD_WIDTH, **spec)
        kv_heads = own.kv_heads or HEADS
        torch.manual_seed(seed)
        self.maps = [nn.Linear(WIDTH, heads * HEAD_WIDTH).double() for heads in (HEADS, kv_heads, kv_heads)]
        self.attention = Attention(own)
        self.bias = bias

    @torch.no_grad()
    def whole(self, row: Tensor) -> Tensor:
        """(length, width) to (length, heads · head width), without a cache."""
        layout = layout_of(torch.tensor([row.shape[0]])).seeing(causal=True)
        return self.attention(row, Context(layout, score_bias=self.bias), self.maps, (), 0)

    @torch.no_grad()
    def after(self, cache: Cache, new: Sequence[Tensor], number: int = 0, *, close: bool = True) -> list[Tensor]:
        """The same for the new tokens of each row."""
        counts = [part.shape[0] for part in new]
        opened = cache.open(layout_of(torch.tensor(counts)))
        context = Context(opened.layout.seeing(causal=True), score_bias=self.bias, cache=opened)
        found = self.attention(torch.cat(list(new)), context, self.maps, (), number)
        if close:
            opened.close()
        return list(found.split(counts))


def rows_of(*lengths: int, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, WIDTH, generator=generator, dtype=torch.float64) for length in lengths]


def read(reader: Reader, cache: Cache, rows: Sequence[Tensor], *passes: Sequence[int]) -> None:
    """Give each row its tokens in passes of so many, and compare each with the whole row."""
    wanted = [reader.whole(row) for row in rows]
    for counts in passes:
        starts = list(cache.lengths)
        spans = [slice(start, start + count) for start, count in zip(starts, counts, strict=True)]
        found = reader.after(cache, [row[span] for row, span in zip(rows, spans, strict=True)])
        for own, row, span in zip(found, wanted, spans, strict=True):
            torch.testing.assert_close(own, row[span])
        assert cache.lengths == [span.stop for span in spans]


RELATIVE = RelativeSpec(heads=HEADS, buckets=8, max_distance=6, both_ways=False)


def relative() -> ScoreBias:
    torch.manual_seed(3)
    with torch.no_grad():
        return RelativeBias(RELATIVE).double().bias()


SPECS: dict[str, dict[str, Any]] = {
    "as many key heads": {},
    "shared key heads": {"kv_heads": 2},
    "one key head": {"kv_heads": 1},
    "a window": {"window": 2},
    "a window of itself, shared key heads": {"window": 0, "kv_heads": 2},
    "a scale": {"scale": 0.3},
}


@pytest.mark.parametrize("spec", SPECS)
def test_rows_of_unlike_lengths_that_grow_unevenly(spec: str) -> None:
    rows = rows_of(9, 6, 12, 3)
    read(Reader(**SPECS[spec]), Cache(4), rows, (4, 1, 7, 2), (1, 1, 1, 1), (0, 3, 2, 0), (4, 1, 2, 0))


@pytest.mark.parametrize("spec", SPECS)
def test_one_token_at_a_time(spec: str) -> None:
    read(Reader(**SPECS[spec]), Cache(2, room=8), rows_of(8, 8), *[(1, 1)] * 8)


def test_a_row_that_begins_later_than_the_others() -> None:
    read(Reader(kv_heads=2), Cache(3), rows_of(5, 4, 6), (3, 0, 2), (1, 2, 1), (1, 2, 3))


def test_a_bias_by_distance_goes_by_the_places_in_the_row() -> None:
    read(Reader(bias=relative(), kv_heads=2), Cache(3), rows_of(9, 4, 7), (3, 1, 5), (2, 1, 1), (4, 2, 1))


@pytest.mark.parametrize("room", [0, 3, 150])
def test_it_grows_when_more_comes_than_there_was_room_for(room: int) -> None:
    reader, cache = Reader(kv_heads=2), Cache(2, room=room)
    read(reader, cache, rows_of(150, 100), (2, 1), (70, 3), (1, 1), (60, 90), (17, 5))
    assert cache.capacity >= 150
    assert cache.get_seq_length() == 150


def test_it_grows_in_few_steps_and_not_at_all_within_its_room() -> None:
    reader = Reader()
    for room, most in ((0, 6), (300, 1)):
        cache, capacities = Cache(1, room=room), set()
        for token in rows_of(300)[0]:
            reader.after(cache, [token[None]])
            capacities.add(cache.capacity)
        assert len(capacities) <= most


def test_each_block_keeps_its_own() -> None:
    rows = rows_of(7, 5)
    readers = [Reader(seed=1), Reader(seed=2, kv_heads=1), Reader(seed=3, window=1)]
    cache = Cache(2)
    for counts in ((3, 2), (1, 1), (3, 2)):
        starts = list(cache.lengths)
        new = [row[start : start + count] for row, start, count in zip(rows, starts, counts, strict=True)]
        for number, reader in enumerate(readers):
            found = reader.after(cache, new, number, close=number == 2)
            for own, row, start, count in zip(found, rows, starts, counts, strict=True):
                torch.testing.assert_close(own, reader.whole(row)[start : start + count])


# ---- rows that leave, come again, or go back ------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [[2], [2, 0], [1, 1, 0], [0, 0, 1, 2, 2, 2], [2, 1, 0], [0, 1, 2]])
@pytest.mark.parametrize("spec", ["shared key heads", "a window"])
def test_chosen_rows_go_on_as_if_they_had_always_been_alone(spec: str, chosen: list[int]) -> None:
    reader, cache, rows = Reader(**SPECS[spec]), Cache(3), rows_of(4, 7, 5)
    read(reader, cache, rows, (4, 7, 5))
    cache.select(torch.tensor(chosen))
    assert cache.rows == len(chosen)
    ends = rows_of(*[3] * len(chosen), seed=2)  # those of one row may go on differently
    longer = [torch.cat([rows[row], end]) for row, end in zip(chosen, ends, strict=True)]
    read(reader, cache, longer, [1] * len(chosen), [2] * len(chosen))


def test_choosing_again_and_again_as_beams_do() -> None:
    reader, cache, rows = Reader(kv_heads=2), Cache(4), rows_of(3, 3, 5, 5)
    read(reader, cache, rows, (3, 3, 5, 5))
    generator = torch.Generator().manual_seed(7)
    for _ in range(6):
        parents = torch.cat(
            [torch.randint(0, 2, (2,), generator=generator), torch.randint(2, 4, (2,), generator=generator)]
        )
        cache.select(parents)
        token = rows_of(1, 1, 1, 1, seed=int(torch.randint(0, 99, (1,), generator=generator)))
        rows = [torch.cat([rows[parent], own]) for parent, own in zip(parents.tolist(), token, strict=True)]
        read(reader, cache, rows, (1, 1, 1, 1))


def test_no_row_at_all_may_be_left() -> None:
    reader, cache = Reader(), Cache(2)
    read(reader, cache, rows_of(3, 2), (3, 2))
    cache.select([])
    assert (cache.rows, cache.lengths, cache.get_seq_length()) == (0, [], 0)


@pytest.mark.parametrize("row", [2, -1])
def test_a_row_that_is_not_there_cannot_be_chosen(row: int) -> None:
    reader, cache, rows = Reader(), Cache(2), rows_of(5, 4)
    read(reader, cache, rows, (3, 2))
    with pytest.raises(InputError, match=f"there is no row {row}; the cache has 2"):
        cache.select([0, row])
    read(reader, cache, rows, (2, 2))  # nothing has moved


@pytest.mark.parametrize("spec", SPECS)
def test_forgotten_tokens_leave_no_trace(spec: str) -> None:
    reader, cache, rows = Reader(**SPECS[spec]), Cache(3), rows_of(6, 4, 5)
    read(reader, cache, rows, (6, 4, 5))
    counts = (2, 0, 5)
    cache.forget(counts)
    assert cache.lengths == [4, 4, 0]
    others = rows_of(5, 2, 7, seed=2)
    kept = [row[: row.shape[0] - count] for row, count in zip(rows, counts, strict=True)]
    longer = [torch.cat([row, other]) for row, other in zip(kept, others, strict=True)]
    read(reader, cache, longer, (1, 1, 3), (4, 1, 4))


def test_all_may_be_forgotten() -> None:
    reader, cache = Reader(), Cache(2)
    read(reader, cache, rows_of(3, 2), (3, 2))
    cache.forget([3, 2])
    read(reader, cache, rows_of(4, 6, seed=2), (2, 5), (2, 1))


@pytest.mark.parametrize("count", [4, -1])
def test_a_row_cannot_forget_more_than_it_has_read(count: int) -> None:
    reader, cache = Reader(), Cache(2)
    read(reader, cache, rows_of(5, 3), (5, 3))
    with pytest.raises(InputError, match=f"row 1 has 3 tokens; {count} cannot be taken back"):
        cache.forget([0, count])
    assert cache.lengths == [5, 3]


def test_a_pass_that_is_not_closed_counts_for_nothing() -> None:
    reader, cache, rows = Reader(kv_heads=2), Cache(2), rows_of(6, 6)
    read(reader, cache, rows, (2, 3))
    reader.after(cache, rows_of(4, 4, seed=9), close=False)
    assert cache.lengths == [2, 3]
    read(reader, cache, rows, (1, 1), (3, 2))


def test_a_batch_of_another_number_of_rows_is_refused() -> None:
    with pytest.raises(InputError, match="the batch has 3 rows, past_key_values 2; there must be as many"):
        Cache(2).open(layout_of(torch.tensor([1, 1, 1])))


# ---- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["shared key heads", "a window"])
def test_weights_are_those_of_the_whole_row(spec: str) -> None:
    reader, cache, rows = Reader(**SPECS[spec]), Cache(2), rows_of(7, 4)
    seen: list[list[Tensor]] = []
    reader.attention.observers.append(seen.append)
    for row in rows:
        reader.whole(row)
    whole = [weights[0] for weights in seen]
    seen.clear()
    read_parts = ((3, 2), (4, 2))
    for counts in read_parts:
        starts = list(cache.lengths)
        reader.after(cache, [row[at : at + n] for row, at, n in zip(rows, starts, counts, strict=True)])
        for weights, full, at, n in zip(seen[-1], whole, starts, counts, strict=True):
            torch.testing.assert_close(weights, full[:, at : at + n, : at + n])


# ---- an encoder's keys and values -----------------------------------------------------------------------------------


class Crossing:
    """A cross-attention with its maps."""

    def __init__(self) -> None:
        torch.manual_seed(5)
        self.attention = CrossAttention(AttentionSpec(heads=HEADS, head_width=HEAD_WIDTH))
        self.maps = [nn.Linear(WIDTH, HEADS * HEAD_WIDTH).double() for _ in range(3)]

    @torch.no_grad()
    def whole(self, row: Tensor, source: Tensor) -> Tensor:
        """(length, width) over (source length, width), without a cache."""
        queries, keys = (layout_of(torch.tensor([own.shape[0]])) for own in (row, source))
        context = Context(queries, memory=Memory(source, crossing(queries, keys)))
        return self.attention(row, context, self.maps, 0)

    @torch.no_grad()
    def after(self, cache: Cache, new: Sequence[Tensor], sources: Sequence[Tensor] | None) -> list[Tensor]:
        """The same for new tokens; the sources come with the first pass alone."""
        counts = [part.shape[0] for part in new]
        queries: Layout = layout_of(torch.tensor(counts))
        opened = cache.open(queries)
        if sources is None:
            memory = Memory(None, queries)
        else:
            keys = layout_of(torch.tensor([source.shape[0] for source in sources]))
            memory = Memory(torch.cat(list(sources)), crossing(queries, keys))
        found = self.attention(torch.cat(list(new)), Context(queries, memory=memory, cache=opened), self.maps, 0)
        opened.close()
        return list(found.split(counts))


def crossed(
    reader: Crossing, cache: Cache, of: Sequence[Tensor], counts: Sequence[int], *, first: bool = False
) -> None:
    rows = rows_of(*counts, seed=sum(cache.lengths) + 20)
    found = reader.after(cache, rows, of if first else None)
    for own, row, source in zip(found, rows, of, strict=True):
        torch.testing.assert_close(own, reader.whole(row, source))


@pytest.mark.parametrize("lengths", [(6, 3, 4), (5, 5, 5)])
def test_an_encoder_is_read_once(lengths: tuple[int, ...]) -> None:
    reader, cache, sources = Crossing(), Cache(3), rows_of(*lengths, seed=4)
    assert not cache.has_memory
    crossed(reader, cache, sources, (1, 2, 1), first=True)
    assert cache.has_memory
    crossed(reader, cache, sources, (1, 1, 1))
    crossed(reader, cache, sources, (2, 1, 3))


@pytest.mark.parametrize(
    "chosen", [[0, 0, 0, 1, 1, 1, 2, 2, 2], [2, 0], [1], [0, 0, 2, 1], [2, 2, 1, 1, 0, 0], [0, 1, 2, 0, 1, 2]]
)
@pytest.mark.parametrize("lengths", [(6, 3, 4), (5, 5, 5)])
def test_beams_look_at_the_row_they_come_from(lengths: tuple[int, ...], chosen: list[int]) -> None:
    reader, cache, sources = Crossing(), Cache(3), rows_of(*lengths, seed=4)
    crossed(reader, cache, sources, (1, 1, 1), first=True)
    cache.select(chosen)
    own = [sources[row] for row in chosen]
    crossed(reader, cache, own, [1] * len(chosen))
    crossed(reader, cache, own, [2] * len(chosen))
    cache.select(list(range(len(chosen)))[::-1])
    crossed(reader, cache, own[::-1], [1] * len(chosen))


def test_an_encoders_keys_are_not_copied_for_each_beam() -> None:
    reader, cache, sources = Crossing(), Cache(2), rows_of(6, 3, seed=4)
    crossed(reader, cache, sources, (1, 1), first=True)
    kept = cache._cross[0].keys
    cache.select([0, 0, 0, 1, 1, 1])
    assert cache._cross[0].keys is kept
    assert kept.shape[0] == 2
