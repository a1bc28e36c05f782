"""A corpus cut into rows of one length, for language modelling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from enfold.errors import InputError

__all__ = ["chunk_into_blocks"]


def chunk_into_blocks(
    texts: Iterable[Sequence[int]], block_size: int, *, end: int | None = None, keep_rest: bool = True
) -> list[dict[str, list[int]]]:
    """Put texts one after another and cut the whole into blocks, so that no token is lost and none is padding.

    Rows have ``input_ids`` alone: a causal model's collator takes them as their own labels, and
    ``DataCollatorForLanguageModeling`` masks them.

    Args:
        texts: token ids of each text.
        block_size: tokens of a block.
        end: a token put behind each text, such as the tokenizer's ``eos_token_id``.
        keep_rest: keep a last block that is shorter; packed batches take it as it is. One token alone teaches nothing
            and is left out.

    Raises:
        InputError: blocks of fewer than two tokens, or there are no texts.
    """
    if block_size < 2:
        raise InputError(
            f"block_size={block_size} is too small: a token is learned from the ones before it; give 2 or more"
        )
    whole: list[int] = []
    for text in texts:
        whole += text
        if end is not None:
            whole.append(end)
    blocks = [whole[start : start + block_size] for start in range(0, len(whole), block_size)]
    if not blocks:
        raise InputError("there are no texts to cut into blocks")
    if len(blocks[-1]) < (2 if keep_rest else block_size):
        blocks.pop()
    return [{"input_ids": block} for block in blocks]
