"""Model folders of every kind of tokenizer, over vocabularies trained here; and texts in many languages."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from text_samples import TEXTS
from tokenizers import Tokenizer as Trained
from tokenizers import models, normalizers, pre_tokenizers, trainers

from enfold.text.kinds.translation import M2M100

LANGUAGES = [
    "All human beings are born free and equal in dignity and rights.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
]
ODD = [
    "``quoted'' text, l'homme qu'il n'est pas … et 1,5 % (voir p. 3) — « ainsi » : oui !",
    "1,000,000 or 3.14 and 2,5, then 12",
    "ＦＵＬＬ　ｗｉｄｔｈ ﬁ ① ㌔ ℃ ½",
    "▁already ▁▁marked▁ text ▁",
    "a\n\nb\r\n c \t d\u00a0e\u3000f",
    "\u0041\u030a \u1112\u1161\u11ab q\u0307\u0323 क\u093c",
    "Hello.\nWorld,\nit's\n'\nfine (really)!\n\n",
    " leading",
    "trailing ",
    "\U0010ffff\ue000 private",
]


def mixed(count: int = 60) -> list[str]:
    """Letters, marks, blanks and control characters of many scripts in no order."""
    chance = random.Random(7)
    ranges = [(0, 0x300), (0x300, 0x370), (0x370, 0x600), (0x900, 0xA00), (0x1100, 0x1200), (0x2000, 0x2070)]
    ranges += [(0x2100, 0x2200), (0x3000, 0x3100), (0xAC00, 0xAC80), (0xFF00, 0xFFF0)]
    letters = [chr(number) for first, last in ranges for number in range(first, last)]
    letters += [letter for text in (*TEXTS, *LANGUAGES) for letter in text] * 2 + list(" \t\n\r\u2581'\".,!?()") * 20
    return ["".join(chance.choices(letters, k=chance.choice((1, 2, 3, 8, 20, 60)))) for _ in range(count)]


EVERY = [*TEXTS, *LANGUAGES, *ODD, *mixed()]


def udhr() -> list[str]:
    """Sentences of the Universal Declaration of Human Rights in 72 languages; none where the data is not there."""
    root = os.environ.get("ENFOLD_DATA")
    found = sorted((Path(root) / "udhr").glob("*.txt")) if root else []
    lines: list[str] = []
    for file in found:
        kept = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if len(line) > 40]
        lines += kept[3:6]
    return lines


def corpus() -> list[str]:
    return [*LANGUAGES, *(text for text in TEXTS if text.strip() and "\x00" not in text)] * 3


def write(folder: Path, **files: Any) -> Path:
    """Files by name (``__`` for a dot): bytes, text, lists of lines, or what JSON holds."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / name.replace("__", ".")
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif isinstance(content, list):
            file.write_text("\n".join(content) + "\n", encoding="utf-8")
        else:
            file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return folder


_TRAINED: dict[str, bytes] = {}


def pieces(kind: str = "unigram", size: int = 420, texts: list[str] | None = None, **options: Any) -> bytes:
    """A SentencePiece model; the same ones are trained once."""
    import sentencepiece

    key = repr((kind, size, texts, sorted(options.items())))
    if key in _TRAINED:
        return _TRAINED[key]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts or corpus()),
        model_writer=written,
        model_type=kind,
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=0.98,
        minloglevel=2,
        num_threads=1,
        **options,
    )
    return _TRAINED.setdefault(key, written.getvalue())


def wordpieces(special: list[str]) -> list[str]:
    engine = Trained(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=500, special_tokens=special))
    return sorted(engine.get_vocab(), key=engine.get_vocab().__getitem__)


def byte_pairs(special: list[str]) -> dict[str, Any]:
    engine = Trained(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    engine.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet)
    )
    model = json.loads(engine.to_str())["model"]
    merges = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    return {"vocab__json": model["vocab"], "merges__txt": merges}


def word_pairs(special: list[str], named: Callable[[str], str], *, header: bool = False) -> dict[str, Any]:
    """Byte pairs of words that end in ``</w>``; ``named``: what the vocabulary calls a symbol."""
    engine = Trained(models.BPE(end_of_word_suffix="</w>"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.normalizer = normalizers.Lowercase()
    engine.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=500, end_of_word_suffix="</w>"))
    model = json.loads(engine.to_str())["model"]
    merges = ["#version: 0.2"] * header + [" ".join(pair) for pair in model["merges"]]
    tokens = dict.fromkeys([*special, *(named(symbol) for symbol in model["vocab"])])
    # Some symbols are missing on purpose: their words are unknown in part.
    kept = [token for number, token in enumerate(tokens) if number < 40 or number % 9]
    return {"vocab__json": {token: number for number, token in enumerate(kept)}, "merges__txt": merges}


def marian(folder: Path, *, separate: bool = False, codes: bool = False) -> Path:
    from sentencepiece import SentencePieceProcessor

    half = len(LANGUAGES) // 2
    source = pieces(size=300, texts=LANGUAGES[:half] * 4)
    target = pieces(size=300, texts=LANGUAGES[half:] * 4)

    def listed(*spms: bytes) -> dict[str, int]:
        tokens = dict.fromkeys(["</s>", "<unk>"])
        for spm in spms:
            model = SentencePieceProcessor(model_proto=spm)
            tokens.update(dict.fromkeys(model.id_to_piece(number) for number in range(3, model.get_piece_size())))
        kept = [token for number, token in enumerate(tokens) if number < 20 or number % 11]
        return {
            token: number for number, token in enumerate([*kept, *([">>fr<<", ">>de<<"] if codes else []), "<pad>"])
        }

    files: dict[str, Any] = {"source__spm": source, "target__spm": target}
    if separate:
        files |= {"vocab__json": listed(source), "target_vocab__json": listed(target)}
        files["tokenizer_config__json"] = {"tokenizer_class": "MarianTokenizer", "separate_vocabs": True}
    else:
        files |= {"vocab__json": listed(source, target)}
        files["tokenizer_config__json"] = {"tokenizer_class": "MarianTokenizer"}
    return write(folder, **files)


def m2m100(folder: Path, kind: str) -> Path:
    from sentencepiece import SentencePieceProcessor

    spm = pieces(kind)
    model = SentencePieceProcessor(model_proto=spm)
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *(model.id_to_piece(n) for n in range(3, model.get_piece_size()))]
    kept = [token for number, token in enumerate(tokens) if number < 30 or number % 13]
    return write(
        folder,
        sentencepiece__bpe__model=spm,
        vocab__json={token: number for number, token in enumerate(kept)},
        tokenizer_config__json={
            "tokenizer_class": "M2M100Tokenizer",
            "src_lang": "de",
            "tgt_lang": "fr",
            "additional_special_tokens": [f"__{code}__" for code in M2M100],
        },
    )


NLLB_CODES = ["eng_Latn", "fra_Latn", "deu_Latn"]


def nllb(folder: Path) -> Path:
    """As published: the ids of the languages, and of the mask behind them, stand in the configuration."""
    from sentencepiece import SentencePieceProcessor

    spm = pieces("bpe")
    first = SentencePieceProcessor(model_proto=spm).get_piece_size() + 1
    added = {
        str(first + number): {"content": token, "special": True, "lstrip": token == "<mask>"}
        for number, token in enumerate([*NLLB_CODES, "<mask>"])
    }
    config = {
        "tokenizer_class": "NllbTokenizer",
        "additional_special_tokens": NLLB_CODES,
        "added_tokens_decoder": added,
        "src_lang": "deu_Latn",
        "tgt_lang": "fra_Latn",
    }
    return write(folder, sentencepiece__bpe__model=spm, tokenizer_config__json=config)


T5_IDS = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
ALBERT_IDS = {
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": -1,
    "eos_id": -1,
    "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
    "user_defined_symbols": ["(", ")", "£"],
}
DEBERTA_IDS = {
    "pad_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "unk_id": 3,
    "pad_piece": "[PAD]",
    "bos_piece": "[CLS]",
    "eos_piece": "[SEP]",
    "unk_piece": "[UNK]",
}
LLAMA = {
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "split_digits": True,
    "size": 700,
}
GEMMA_IDS = {
    "pad_id": 0,
    "eos_id": 1,
    "bos_id": 2,
    "unk_id": 3,
    "bos_piece": "<bos>",
    "eos_piece": "<eos>",
    "user_defined_symbols": ["<mask>", "<start_of_turn>", "<end_of_turn>"],
    "add_dummy_prefix": False,
}
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]

FOLDERS: dict[str, Callable[[Path], Path]] = {
    "BertTokenizer": lambda folder: write(folder, vocab__txt=wordpieces(BERT)),
    "DistilBertTokenizer": lambda folder: write(folder, vocab__txt=wordpieces(BERT)),
    "MPNetTokenizer": lambda folder: write(folder, vocab__txt=wordpieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])),
    "GPT2Tokenizer": lambda folder: write(folder, **byte_pairs(["<|endoftext|>"])),
    "RobertaTokenizer": lambda folder: write(folder, **byte_pairs(ROBERTA)),
    "BlenderbotTokenizer": lambda folder: write(folder, **byte_pairs(ROBERTA)),
    "GPTNeoXTokenizer": lambda folder: write(folder, **byte_pairs(["<|endoftext|>", "<|padding|>"])),
    "Qwen2Tokenizer": lambda folder: write(
        folder,
        **byte_pairs([]),
        tokenizer_config__json={
            "tokenizer_class": "Qwen2Tokenizer",
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
            "pad_token": "<|endoftext|>",
            "eos_token": "<|im_end|>",
        },
    ),
    "T5Tokenizer": lambda folder: write(folder, spiece__model=pieces(**T5_IDS)),
    "XLMRobertaTokenizer": lambda folder: write(folder, sentencepiece__bpe__model=pieces()),
    "CamembertTokenizer": lambda folder: write(folder, sentencepiece__bpe__model=pieces()),
    "AlbertTokenizer": lambda folder: write(folder, spiece__model=pieces(**ALBERT_IDS)),
    "DebertaV2Tokenizer": lambda folder: write(folder, spm__model=pieces(**DEBERTA_IDS)),
    "PegasusTokenizer": lambda folder: write(folder, spiece__model=pieces(**T5_IDS)),
    "MBartTokenizer": lambda folder: write(folder, sentencepiece__bpe__model=pieces()),
    "MBart50Tokenizer": lambda folder: write(folder, sentencepiece__bpe__model=pieces()),
    "LlamaTokenizer": lambda folder: write(folder, tokenizer__model=pieces("bpe", **LLAMA)),
    "GemmaTokenizer": lambda folder: write(folder, tokenizer__model=pieces("bpe", **{**LLAMA, **GEMMA_IDS})),
    "NllbTokenizer": nllb,
    "MarianTokenizer": marian,
    "M2M100Tokenizer": lambda folder: m2m100(folder, "unigram"),
    "BlenderbotSmallTokenizer": lambda folder: write(
        folder,
        **word_pairs(
            ["__null__", "__start__", "__end__", "__unk__", "__newln__"],
            lambda symbol: symbol.removesuffix("</w>") if symbol.endswith("</w>") else f"{symbol}@@",
            header=True,
        ),
    ),
    "FlaubertTokenizer": lambda folder: write(
        folder,
        **word_pairs(["<s>", "</s>", "<pad>", "<unk>", *(f"<special{n}>" for n in range(10))], lambda symbol: symbol),
    ),
}
"""For each kind, what makes a folder with its files."""

OUTSIDE = {"MarianTokenizer", "M2M100Tokenizer", "BlenderbotSmallTokenizer", "FlaubertTokenizer"}
"""The kinds that `transformers` has no fast class of."""


def folders(root: Path) -> Iterator[tuple[str, Path]]:
    for name, make in FOLDERS.items():
        yield name, make(root / name)
