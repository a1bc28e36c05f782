"""Tiny random models of every head, with tokenizers trained here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as Trained
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from enfold import Tokenizer
from enfold.text import BertTokenizer, TokenizerOptions

SENTENCES = [
    "Ada Lovelace met Charles Babbage in London, and wrote the first programme for his engine.",
    "The winner of the prize was a nurse from Nairobi who had never won anything before.",
    "In Berlin, Grace Hopper's talk on compilers was interrupted twice by applause.",
    "Restaurants near San Jose serve lunch at six; call now to book a table for two people.",
    "Unbelievable! The café in Kraków re-opened on the 21st of May, 2019.",
    "王小明昨天在北京大学见到了李华教授。",
    "东京塔很高，我们明天去上海。",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FORGED = "[PAD] [UNK] [CLS] [SEP]"


@cache
def vocabulary() -> tuple[str, ...]:
    """Some 300 word pieces of the sentences."""
    engine = Trained(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL))
    return tuple(sorted(engine.get_vocab(), key=engine.get_vocab().__getitem__))


def wordpiece(model_max_length: int = 32) -> Tokenizer:
    """BERT's kind."""
    tokens = {token: number for number, token in enumerate(vocabulary())}
    return BertTokenizer(tokens, model_max_length=model_max_length)


def bytes_without_types(model_max_length: int = 32) -> Tokenizer:
    """RoBERTa's kind: byte-pair tokens that hold their blank, a mask that takes the blank before it, no token types."""
    from tokenizers import AddedToken

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    engine = Trained(models.BPE(unk_token="<unk>"))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    engine.train_from_iterator(SENTENCES, trainer)
    engine.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    engine.post_processor = processors.RobertaProcessing(
        ("</s>", engine.token_to_id("</s>")), ("<s>", engine.token_to_id("<s>")), trim_offsets=True
    )
    roles = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    names = ("input_ids", "attention_mask")
    return Tokenizer(
        engine, TokenizerOptions(special=roles, model_max_length=model_max_length, model_input_names=names)
    )


def tiny(head: str, tokenizer: Tokenizer, *, seed: int = 7, length: int = 32, std: float = 0.3, **settings: Any) -> Any:
    """A BERT of width 32 with that head, with weights large enough to have opinions."""
    import enfold

    config = enfold.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=length,
        **settings,
    )
    torch.manual_seed(seed)
    model = getattr(enfold, f"Bert{head}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:  # norms and biases stay, so that tokens keep apart
                parameter.normal_(std=std)
    model.tokenizer = tokenizer
    model.revision = f"tiny-{seed}"
    return model


def saved(model: Any, folder: Path) -> Path:
    """As a model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder
