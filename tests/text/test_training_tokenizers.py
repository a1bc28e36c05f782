"""New vocabularies: every kind, from a stream, the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from text_kinds import marian
from text_samples import TEXTS

from enfold.errors import DataError, InputError
from enfold.text import Tokenizer
from enfold.text.training import train_tokenizer

CORPUS = [
    "The quick brown fox jumps over the lazy dog, again and again.",
    "Schnelle braune Füchse springen über faule Hunde; immer wieder.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "Tokenizers are trained on texts: words, parts of words, and letters.",
    "lower lowest newer newest wider widest low new wide",
] * 8
KINDS: list[dict[str, Any]] = [
    {"kind": "wordpiece"},
    {"kind": "wordpiece", "lowercase": True},
    {"kind": "bpe"},
    {"kind": "bpe", "byte_fallback": True},
    {"kind": "unigram"},
    {"kind": "unigram", "byte_fallback": True},
]


def named(options: dict[str, Any]) -> str:
    return "-".join(str(value) for value in options.values())


@pytest.fixture(scope="module", params=KINDS, ids=named)
def trained(request) -> tuple[dict[str, Any], Tokenizer]:
    return request.param, train_tokenizer(iter(CORPUS), vocab_size=500, **request.param)


def test_the_vocabulary_has_the_size_and_the_special_tokens_come_first(trained):
    _, tokenizer = trained
    assert len(tokenizer) <= 500
    assert len(tokenizer) == len(set(tokenizer.get_vocab().values())) == max(tokenizer.get_vocab().values()) + 1
    assert sorted(tokenizer.all_special_ids) == list(range(len(tokenizer.all_special_tokens)))


def test_words_of_the_texts_are_found_again(trained):
    _, tokenizer = trained
    assert len(tokenizer.tokenize("the newest tokenizers")) < 14  # of 21 characters


def test_texts_come_back(trained):
    options, tokenizer = trained
    lossless = options["kind"] == "bpe"
    for text in [*CORPUS[:6], "naïve 👩‍👩‍👧 ሰላም\tend"] if options.get("byte_fallback") or lossless else CORPUS[:5]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids
        wanted = text.lower() if options.get("lowercase") else text
        if options["kind"] == "unigram":
            import unicodedata

            wanted = unicodedata.normalize("NFKC", text)
        if options["kind"] != "wordpiece":
            assert tokenizer.decode(ids) == wanted


@pytest.mark.parametrize("options", KINDS, ids=named)
def test_the_same_texts_give_the_same_tokenizer(options):
    first, second = (train_tokenizer(iter(CORPUS), vocab_size=400, **options) for _ in range(2))
    assert first.fingerprint == second.fingerprint


def test_transformers_opens_what_is_saved_and_agrees(trained, tmp_path):
    from transformers import AutoTokenizer

    _, tokenizer = trained
    tokenizer.save_pretrained(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*CORPUS[:6], *TEXTS]:
        assert tokenizer(text)["input_ids"] == theirs(text)["input_ids"]
    pair = tokenizer("one", "two")
    assert dict(pair)["input_ids"] == theirs("one", "two")["input_ids"]


def test_byte_fallback_writes_what_was_never_seen(trained):
    options, tokenizer = trained
    if not options.get("byte_fallback"):
        pytest.skip("of byte fallback")
    assert [token for token in tokenizer.tokenize("ሰ") if token != "▁"] == ["<0xE1>", "<0x88>", "<0xB0>"]
    assert tokenizer.convert_ids_to_tokens(list(range(4, 6))) == ["<0x00>", "<0x01>"]


def test_special_tokens_can_be_chosen(trained):
    options, _ = trained
    tokenizer = train_tokenizer(
        CORPUS,
        vocab_size=500,
        special_tokens={"mask_token": "<mask>", "pad_token": "<blank>"},
        extra_special_tokens=["<user>"],
        model_max_length=64,
        **options,
    )
    assert (tokenizer.mask_token, tokenizer.pad_token, tokenizer.model_max_length) == ("<mask>", "<blank>", 64)
    assert tokenizer.extra_special_tokens == ["<user>"]
    assert tokenizer.convert_tokens_to_ids("<user>") in tokenizer("a <user> b")["input_ids"]


def test_texts_are_read_once_and_not_kept():
    alive = []

    class Text(str):
        def __del__(self) -> None:
            alive.remove(id(self))

    def stream() -> Iterator[str]:
        for number in range(3000):
            text = Text(f"{CORPUS[number % 6]} {number}")
            alive.append(id(text))
            assert len(alive) < 1500
            yield text

    train_tokenizer(stream(), "bpe", 300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "bpee"}, "no kind of tokenizer 'bpee'; there are: wordpiece, bpe, unigram; did you mean 'bpe'"),
        ({"kind": "wordpiece", "byte_fallback": True}, "byte_fallback is for bpe and unigram"),
        ({"kind": "bpe", "vocab_size": 100}, "vocab_size=100 is too small: special tokens and bytes alone take 257"),
        ({"special_tokens": {"mask_tokn": "x"}}, "'mask_tokn' is not the role .*did you mean 'mask_token'"),
        ({"kind": "unigram", "special_tokens": {"unk_token": None}}, "Unigram needs an unknown token"),
        ({"kind": "wordpiece", "special_tokens": {"unk_token": None}}, "WordPiece needs an unknown token"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        train_tokenizer(CORPUS, **{"vocab_size": 400, **arguments})


def test_texts_that_are_none():
    with pytest.raises(DataError, match="there are no texts"):
        train_tokenizer([], vocab_size=300)
    with pytest.raises(DataError, match="text 1 is a int, not a text"):
        train_tokenizer(["a", 3], vocab_size=300)
    with pytest.raises(DataError, match="texts must be several texts; this is one"):
        train_tokenizer("abc", vocab_size=300)


# ---- after an existing tokenizer -------------------------------------------------------------------------------------


OTHER_TEXTS = [text.replace("test", "trial") for text in TEXTS if text.strip()] * 3 + [
    "another text of other words"
] * 9


@pytest.mark.parametrize("options", KINDS, ids=named)
def test_a_new_vocabulary_for_an_old_tokenizer_is_that_of_transformers(options, tmp_path):
    from transformers import AutoTokenizer

    old = train_tokenizer(CORPUS, vocab_size=450, extra_special_tokens=["<old>"], **options)
    old.save_pretrained(tmp_path)
    batches = [OTHER_TEXTS[start : start + 7] for start in range(0, len(OTHER_TEXTS), 7)]
    arguments = {"vocab_size": 420, "new_special_tokens": ["<new>"], "show_progress": False}
    wanted = AutoTokenizer.from_pretrained(tmp_path).train_new_from_iterator(iter(batches), **arguments)
    found = old.train_new_from_iterator(iter(batches), **arguments)
    assert found.extra_special_tokens == ["<old>", "<new>"]
    assert found.all_special_tokens[:-2] == old.all_special_tokens[:-1]
    if options["kind"] == "bpe":
        assert found.get_vocab() == wanted.get_vocab()
        for text in [*TEXTS, "<new> <old> and so on"]:
            assert found(text)["input_ids"] == wanted(text)["input_ids"]
    elif options["kind"] == "unigram":
        # The library gives the rarest characters scores by chance; the pieces are the same.
        assert set(found.get_vocab()) == set(wanted.get_vocab())
    else:
        # It also decides by chance between pairs that are equally frequent.
        assert len(found) == len(wanted)
        assert len(set(found.get_vocab()) & set(wanted.get_vocab())) > 0.8 * len(found)
    again = old.train_new_from_iterator(iter(batches), **arguments)
    assert again.fingerprint == found.fingerprint


def test_special_tokens_can_get_another_name():
    old = train_tokenizer(CORPUS, "wordpiece", 400)
    new = old.train_new_from_iterator(OTHER_TEXTS, 400, special_tokens_map={"[CLS]": "<cls>", "[UNK]": "<unk>"})
    assert (new.cls_token, new.unk_token, new.sep_token) == ("<cls>", "<unk>", "[SEP]")
    assert new.convert_ids_to_tokens(new("another \u1234")["input_ids"])[0::3][:1] == ["<cls>"]
    assert new.unk_token_id in new("\u1234")["input_ids"]
    assert "[CLS]" not in new.get_vocab()


def test_a_tokenizer_with_files_of_its_own_has_no_trainer_here(tmp_path):
    old = Tokenizer.from_pretrained(marian(tmp_path / "marian"))
    with pytest.raises(InputError, match="a MarianTokenizer has files of its own.*train_tokenizer"):
        old.train_new_from_iterator(CORPUS, 300)


def test_an_option_the_trainer_does_not_have_is_refused():
    old = train_tokenizer(CORPUS, vocab_size=400)
    with pytest.raises(
        InputError, match="the trainer of a BPE vocabulary has no option 'min_freqency'; .*did you mean 'min_frequency'"
    ):
        old.train_new_from_iterator(CORPUS, 300, min_freqency=3)
