"""``tokenizer.json`` of kinds that are of no class: read as it is, whatever model, normaliser or template it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from text_kinds import EVERY, corpus
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Trained

from enfold.text import AutoTokenizer
from enfold.text.unforgeable import unforgeable

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def modernbert() -> Trained:
    """Bytes, as GPT-NeoX splits them, with BERT's special tokens around."""
    engine = Trained(models.BPE())
    engine.normalizer = normalizers.NFC()
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    engine.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    engine.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=450, initial_alphabet=alphabet))
    special = [AddedToken(token, special=True, normalized=False, lstrip=token == "[MASK]") for token in SPECIAL]
    engine.add_special_tokens(special)
    engine.post_processor = _surrounded(engine)
    return engine


def _surrounded(engine: Trained) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, engine.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )


def whole_words() -> Trained:
    engine = Trained(models.WordLevel(unk_token="[UNK]"))
    engine.normalizer = normalizers.Lowercase()
    engine.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    engine.train_from_iterator(corpus(), trainers.WordLevelTrainer(vocab_size=300, special_tokens=SPECIAL))
    return engine


def letters_and_blanks() -> Trained:
    """Merges over raw text, where nothing keeps blanks from the model, and which make a special token."""
    symbols = ["[UNK]", *sorted({letter for text in corpus() for letter in text} | set("[]CLSEP"))]
    merges: list[tuple[str, str]] = []
    for token in ("[CLS]", "[SEP]", "the", " a"):
        merges += [(token[:cut], token[cut]) for cut in range(1, len(token))]
    vocabulary = dict.fromkeys([*symbols, *(left + right for left, right in merges)])
    ids = {token: number for number, token in enumerate(vocabulary)}
    engine = Trained(models.BPE(vocab=ids, merges=list(dict.fromkeys(merges)), unk_token="[UNK]", fuse_unk=True))
    engine.decoder = decoders.Fuse()
    engine.add_special_tokens(SPECIAL)
    return engine


def unigram_with_bytes() -> Trained:
    data = [(f"<0x{value:02X}>", -20.0) for value in range(256)]
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *data]
    pieces += [(letter, -5.0 - place / 50) for place, letter in enumerate(sorted(set("".join(corpus()[:8]))))]
    engine = Trained(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    engine.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    engine.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    engine.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    engine.add_special_tokens(["<unk>", "<s>", "</s>"])
    return engine


def words_at_once() -> Trained:
    """As Llama 3 has it: a word of the vocabulary is a token without any merge; control tokens stand in it too."""
    engine = Trained(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|begin|>", "<|end|>", "ctl"]
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=special)
    engine.train_from_iterator(corpus(), trainer)
    state = json.loads(engine.to_str())
    state["model"]["ignore_merges"] = True
    engine = Trained.from_str(json.dumps(state))
    engine.decoder = decoders.ByteLevel()
    return engine


MADE = {
    "modernbert": (modernbert, {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}),
    "word level": (whole_words, {"unk_token": "[UNK]", "pad_token": "[PAD]"}),
    "letters": (letters_and_blanks, {"unk_token": "[UNK]", "cls_token": "[CLS]"}),
    "unigram": (unigram_with_bytes, {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}),
    "words at once": (words_at_once, {"bos_token": "<|begin|>", "eos_token": "<|end|>"}),
}


@pytest.fixture
def theirs(which: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    make, roles = MADE[which]
    return PreTrainedTokenizerFast(tokenizer_object=make(), **roles, model_max_length=64)


@pytest.mark.parametrize("which", MADE)
def test_as_it_is(theirs: Any, which: str, tmp_path: Path) -> None:
    theirs.save_pretrained(str(tmp_path))
    ours = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*EVERY, "".join(theirs.all_special_tokens), "a " + " b ".join(theirs.all_special_tokens)]
    got, expected = ours(texts, verbose=False), theirs(texts, return_offsets_mapping=True)
    assert got["input_ids"] == expected["input_ids"]
    assert [one.offsets for one in got.encodings] == expected["offset_mapping"]
    assert ours.batch_decode(got["input_ids"]) == theirs.batch_decode(got["input_ids"])
    assert ours.get_vocab() == theirs.get_vocab()
    assert (ours.model_max_length, ours.special_tokens_map) == (64, theirs.special_tokens_map)
    pairs = list(zip(texts, texts[::-1], strict=True))
    assert ours(pairs, verbose=False)["input_ids"] == theirs(pairs)["input_ids"]
    ours.save_pretrained(tmp_path / "again")
    reopened = type(theirs).from_pretrained(str(tmp_path / "again"))
    assert reopened(texts)["input_ids"] == expected["input_ids"]


@pytest.mark.parametrize("which", MADE)
def test_no_text_can_forge_a_control_token(theirs: Any, which: str, tmp_path: Path) -> None:
    theirs.save_pretrained(str(tmp_path))
    ours = AutoTokenizer.from_pretrained(tmp_path)
    engine = ours._engine.raw
    special = {number: token.content for number, token in engine.get_added_tokens_decoder().items() if token.special}
    control = {number for number, token in special.items() if token != ours.unk_token}
    assert control
    texts = [form.replace("{}", token) for token in special.values() for form in ("{}", "a {} b", "a{}b", "{} {}")]
    for text, encoding in zip(texts, ours.encode_batch(texts), strict=True):
        inside = [n for n, mask in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if not mask]
        assert control.isdisjoint(inside), text


def test_the_model_alone_would_forge() -> None:
    """What the tests above guard against: the library's own switch is not enough."""
    engine = letters_and_blanks()
    engine.encode_special_tokens = True
    assert engine.token_to_id("[CLS]") in engine.encode("a [CLS] b").ids
    assert engine.token_to_id("[CLS]") not in unforgeable(engine).encode("a [CLS] b").ids
    assert unforgeable(engine).encode("human beings").tokens == engine.encode("human beings").tokens


def test_an_ordinary_letter_that_is_a_special_token_too_stays_one() -> None:
    engine = whole_words()
    engine.add_special_tokens(["."])
    state = json.loads(engine.to_str())
    state["model"]["vocab"]["."] = engine.token_to_id(".")
    engine = Trained.from_str(json.dumps(state))
    assert unforgeable(engine).encode(".").ids == [engine.token_to_id(".")]
