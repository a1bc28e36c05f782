"""Language modelling from plain rows: hide tokens and ask for them, or ask for the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.training.collators import DataCollatorWithPadding, plain
from enfold.training.objectives import IGNORED, Batch
from enfold.training.packing import PackingCollator

__all__ = ["DataCollatorForLanguageModeling"]


class DataCollatorForLanguageModeling(DataCollatorWithPadding):
    """Labels for language modelling, made anew each time a row is seen.

    ``mlm=True`` is masked language modelling (Devlin et al., 2019, section 3.1): a share of the tokens is asked for; of
    these 80 of 100 become the mask token, 10 any token, and 10 stay. Special tokens are never asked for. ``mlm=False``
    is causal: labels are the ids. What is padding is told by the mask and not by its id, so that a model whose padding
    token is its end token still learns to stop; in ``transformers`` it does not.

    Draws come from torch's generator.

    Args:
        tokenizer: anything with ``pad`` and, for ``mlm``, ``mask_token_id``, a length and ``get_special_tokens_mask``.
        mlm: masked, or causal.
        mlm_probability: the share of tokens that is asked for.
        mask_replace_prob: of these, the share that becomes the mask token.
        random_replace_prob: of these, the share that becomes a random one.
        pad_to_multiple_of: round the length up to a multiple.
        return_tensors: ``"pt"``.
        packing: own: rows lie one after another, without padding.

    Raises:
        InputError: the tokenizer has no mask token, or a share is not one.
    """

    columns = frozenset({"special_tokens_mask"})
    """What it reads beside the model's own inputs: 1 at special tokens; asked of the tokenizer where rows lack it."""

    def __init__(
        self,
        tokenizer: Any,
        mlm: bool = True,
        mlm_probability: float = 0.15,
        mask_replace_prob: float = 0.8,
        random_replace_prob: float = 0.1,
        pad_to_multiple_of: int | None = None,
        return_tensors: str = "pt",
        *,
        packing: bool = False,
    ) -> None:
        super().__init__(tokenizer, True, None, pad_to_multiple_of, return_tensors)
        shares = {
            "mlm_probability": mlm_probability,
            "mask_replace_prob": mask_replace_prob,
            "random_replace_prob": random_replace_prob,
        }
        faults = [f"{name}={share} must be from 0 to 1" for name, share in shares.items() if not 0 <= share <= 1]
        if mask_replace_prob + random_replace_prob > 1:
            faults.append(
                f"mask_replace_prob={mask_replace_prob} and random_replace_prob={random_replace_prob} are more than 1"
            )
        if mlm and tokenizer.mask_token_id is None:
            faults.append("mlm=True needs a tokenizer with a mask token; mlm=False trains a causal language model")
        if packing and pad_to_multiple_of:
            faults.append("packing has no padding: leave pad_to_multiple_of out")
        if faults:
            raise InputError("; ".join(faults))
        self.mlm = mlm
        self.mlm_probability = mlm_probability
        self.mask_replace_prob = mask_replace_prob
        self.random_replace_prob = random_replace_prob
        self.packing = packing

    def __call__(self, features: list[Any]) -> Batch:
        """Give a batch with ``labels``, one a token, -100 where none counts. Labels that rows bring are not used."""
        rows = [dict(row) if isinstance(row, Mapping) else {"input_ids": plain(row)} for row in features]
        special = [row.pop("special_tokens_mask", None) for row in rows]
        rows = [{name: value for name, value in row.items() if name not in ("labels", "label")} for row in rows]
        if self.mlm:
            asked = [self._maskable(row, mask) for row, mask in zip(rows, special, strict=True)]
            rows = [{**row, "labels": labels} for row, labels in zip(rows, asked, strict=True)]
        batch = self._packed(rows) if self.packing else self._padded(rows)
        return self._hide(batch) if self.mlm else batch

    def _maskable(self, row: Mapping[str, Any], special: Any) -> list[int]:
        """The ids that may be asked for, -100 at special tokens and at padding that a row brings along."""
        ids = plain(row["input_ids"])
        if special is None:
            special = self.tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
        real = plain(row["attention_mask"]) if row.get("attention_mask") is not None else [1] * len(ids)
        parts = zip(ids, plain(special), real, strict=True)
        return [one if there and not fixed else IGNORED for one, fixed, there in parts]

    def _packed(self, rows: list[dict[str, Any]]) -> Batch:
        return PackingCollator(self._padded, own_labels=not self.mlm)(rows)

    def _padded(self, rows: list[dict[str, Any]]) -> Batch:
        labels = [row.get("labels") for row in rows]
        batch = self._pad([{name: value for name, value in row.items() if name != "labels"} for row in rows])
        ids, real = batch["input_ids"], batch.get("attention_mask")
        if real is None:  # the tokenizer gives no mask: rows are as long as they were, on its side
            lengths = torch.tensor([len(row["input_ids"]) for row in rows])[:, None]
            places = torch.arange(ids.shape[1])
            left = getattr(self.tokenizer, "padding_side", "right") == "left"
            real = (places >= ids.shape[1] - lengths) if left else (places < lengths)
        batch["labels"] = ids.masked_fill(real == 0, IGNORED)
        if labels[0] is not None:
            left = getattr(self.tokenizer, "padding_side", "right") == "left"
            for place, own in zip(batch["labels"], labels, strict=True):
                start = len(place) - len(own or []) if left else 0
                place[start : start + len(own or [])] = torch.tensor(own)
        return batch

    def _hide(self, batch: Batch) -> Batch:
        """Draw which of the ids in ``labels`` are asked for, and hide these."""
        ids, labels = batch["input_ids"].clone(), batch["labels"]
        asked = (torch.rand(ids.shape) < self.mlm_probability) & (labels != IGNORED)
        draw = torch.rand(ids.shape)
        hidden = asked & (draw < self.mask_replace_prob)
        swapped = asked & ~hidden & (draw < self.mask_replace_prob + self.random_replace_prob)
        anything: Tensor = torch.randint(len(self.tokenizer), ids.shape)
        ids[hidden] = self.tokenizer.mask_token_id
        ids[swapped] = anything[swapped]
        return batch | {"input_ids": ids, "labels": labels.masked_fill(~asked, IGNORED)}
