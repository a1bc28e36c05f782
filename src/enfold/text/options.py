"""What a tokenizer is told besides its vocabulary: special tokens, sides, the longest input, names of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from enfold.errors import InputError, near

__all__ = ["SPECIAL_NAMES", "UNLIMITED", "Side", "TokenizerOptions"]

Side = Literal["left", "right"]

SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""The roles a special token can have, in the order `transformers` lists them."""

UNLIMITED = int(1e30)
"""`model_max_length` of a tokenizer that does not know how much its model reads."""


@dataclass(frozen=True, slots=True)
class TokenizerOptions:
    """Everything of a tokenizer that is not in its engine. Immutable; `changed` makes another."""

    special: Mapping[str, str] = field(default_factory=dict)
    """Role to token, such as ``{"cls_token": "[CLS]"}``; a role that has no token is left out."""
    extra_special_tokens: tuple[str, ...] = ()
    model_max_length: int = UNLIMITED
    padding_side: Side = "right"
    truncation_side: Side = "right"
    clean_up_tokenization_spaces: bool = False
    split_special_tokens: bool = False
    """Whether the compatible call reads a special token written in a text as plain text."""
    model_input_names: tuple[str, ...] = ("input_ids", "token_type_ids", "attention_mask")
    src_lang: str | None = None
    """The language of texts, for tokenizers that mark it; unset, the one its kind takes."""
    tgt_lang: str | None = None
    """The language of targets."""
    name_or_path: str = ""
    tokenizer_class: str = "PreTrainedTokenizerFast"
    """The class by which `transformers` opens what `save_pretrained` writes."""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``tokenizer_config.json`` that mean nothing here; they are written back as they came."""

    def __post_init__(self) -> None:
        for name in ("padding_side", "truncation_side"):
            if getattr(self, name) not in ("left", "right"):
                raise InputError(f"{name} must be 'left' or 'right'; it is {getattr(self, name)!r}")
        object.__setattr__(self, "special", MappingProxyType(dict(self.special)))
        object.__setattr__(self, "other", MappingProxyType(dict(self.other)))

    def changed(self, **changes: Any) -> TokenizerOptions:
        """Another one, in which some fields or special tokens (``pad_token="<pad>"``) differ.

        Raises:
            InputError: there is no such option.
        """
        if "max_len" in changes:
            changes["model_max_length"] = changes.pop("max_len")
        if "additional_special_tokens" in changes:
            changes["extra_special_tokens"] = changes.pop("additional_special_tokens")
        if "chat_template" in changes:
            changes["other"] = {**self.other, "chat_template": changes.pop("chat_template")}
        special = {**self.special, **{name: _content(changes.pop(name)) for name in SPECIAL_NAMES if name in changes}}
        known = sorted(self.names())
        for name in changes:
            if name not in known and name != "other":
                raise InputError(f"a tokenizer has no option {name!r}; it has: {', '.join(known)}{near(name, known)}")
        for name in ("extra_special_tokens", "model_input_names"):
            if name in changes:
                changes[name] = tuple(_content(item) for item in changes[name])
        return replace(self, special={role: token for role, token in special.items() if token is not None}, **changes)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What `changed` takes: the fields, and the roles of special tokens."""
        fields = (name for name in cls.__dataclass_fields__ if name not in ("special", "other"))
        return (*fields, "chat_template", *SPECIAL_NAMES)

    @property
    def all_special_tokens(self) -> tuple[str, ...]:
        """Every special token once: those with a role in the order of the roles, then the extra ones."""
        named = [self.special[name] for name in SPECIAL_NAMES if name in self.special]
        return tuple(dict.fromkeys([*named, *self.extra_special_tokens]))


def _content(token: Any) -> Any:
    """The text of a special token, which files also hold as ``{"content": "[CLS]", "lstrip": …}``."""
    if isinstance(token, Mapping):
        return token.get("content")
    return getattr(token, "content", token)
