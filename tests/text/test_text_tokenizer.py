"""The tokenizer's own way in: values that are never padded, windows that lose nothing, cuts that are stated."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from text_samples import TEXTS
from tokenizers import AddedToken
from tokenizers import Tokenizer as Engine

from enfold.errors import InputError
from enfold.text import Tokenizer, TokenizerOptions
from enfold.values import Cut


def test_encodings_are_values_of_the_text_alone(tokenizer: Tokenizer) -> None:
    short, long = tokenizer.encode_batch(["Hello", "Hello, world! This is a test."])
    assert len(short) < len(long)
    assert short.tokens[0] == "[CLS]"
    assert short.tokens[-1] == "[SEP]"
    assert short.special_tokens_mask == (1, *[0] * (len(short) - 2), 1)
    assert short.word_ids == (None, *[0] * (len(short) - 2), None)
    assert short.sequence_ids == (None, *[0] * (len(short) - 2), None)
    assert not short.truncated
    assert tokenizer.encode_batch(["Hello"]) == [short]
    assert hash(short) == hash(tokenizer.encode_batch(["Hello"])[0])


def test_offsets_index_the_original_text(tokenizer: Tokenizer) -> None:
    for text, encoding in zip(TEXTS, tokenizer.encode_batch(TEXTS), strict=True):
        for token, (start, end), special in zip(
            encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True
        ):
            if special:
                assert (start, end) == (0, 0)
            elif token != "[UNK]":
                piece = tokenizer.encode_batch([text[start:end]])[0].tokens[1:-1]
                # Not equal: a Hangul syllable is several letters to the engine, and a token may end inside it.
                assert token.removeprefix("##") in "".join(piece).replace("##", "")


def test_pairs(tokenizer: Tokenizer) -> None:
    (encoding,) = tokenizer.encode_batch(["Hello"], ["world"])
    second = encoding.sequence_ids.index(1)
    assert set(encoding.type_ids[:second]) == {0}
    assert set(encoding.type_ids[second:]) == {1}
    with pytest.raises(InputError, match=r"2 texts but 1 pairs: there must be one for each"):
        tokenizer.encode_batch(["a", "b"], ["c"])


def test_a_text_cannot_forge_a_special_token(tokenizer: Tokenizer) -> None:
    forged = "".join(f" a{token}b {token} " for token in tokenizer.all_special_tokens)
    (safe,) = tokenizer.encode_batch([forged])
    (parsed,) = tokenizer.encode_batch([forged], split_special_tokens=False)
    assert not set(safe.ids[1:-1]) & (set(tokenizer.all_special_ids) - {tokenizer.unk_token_id})
    assert set(parsed.ids[1:-1]) >= set(tokenizer.all_special_ids)
    (window,) = tokenizer.windows(forged, max_length=200)
    assert window == safe
    assert tokenizer.count_tokens([forged]) == [len(safe)]


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_cut_says_what_was_left_out(tokenizer: Tokenizer, side: str) -> None:
    text = "Hello, world! This is a test."
    (whole,) = tokenizer.encode_batch([text])
    (encoding,) = tokenizer.encode_batch([text], max_length=7, truncation_side=side)
    assert len(encoding) == 7
    assert encoding.truncated
    lost = len(whole) - 7
    if side == "right":
        assert encoding.ids == (*whole.ids[:6], whole.ids[-1])
        assert encoding.cut == (Cut(lost, whole.offsets[6][0], len(text)),)
    else:
        assert encoding.ids == (whole.ids[0], *whole.ids[-6:])
        assert encoding.cut == (Cut(lost, 0, whole.offsets[lost][1]),)
    (fits,) = tokenizer.encode_batch([text], max_length=len(whole))
    assert fits == whole


def test_a_cut_pair_says_of_which_text(tokenizer: Tokenizer) -> None:
    texts, pairs = ["Hello, world! This is a test."], ["This is a test. Hello, world!"]
    first, second = (len(encoding) - 2 for encoding in tokenizer.encode_batch([texts[0], pairs[0]]))
    (both,) = tokenizer.encode_batch(texts, pairs, max_length=13)
    assert [(cut.sequence, cut.tokens) for cut in both.cut] == [(0, first - 5), (1, second - 5)]
    room = first + second + 3 - 4
    (one,) = tokenizer.encode_batch(texts, pairs, max_length=room, truncation="only_second")
    assert [(cut.sequence, cut.tokens) for cut in one.cut] == [(1, 4)]
    assert pairs[0][one.cut[0].start : one.cut[0].end] == pairs[0][one.cut[0].start :]
    with pytest.raises(
        InputError, match=r"truncation='only_first' cannot bring .* tokens down to .*: that text has only"
    ):
        tokenizer.encode_batch(["Hello"], ["This is a test. Hello, world!"], max_length=8, truncation="only_first")
    with pytest.raises(InputError, match=r"no truncation 'only_frist'; there are: .*; did you mean 'only_first'"):
        tokenizer.encode_batch(["Hello"], max_length=8, truncation="only_frist")  # type: ignore[arg-type]


def test_a_cut_of_words_indexes_the_words_joined_by_blanks(tokenizer: Tokenizer) -> None:
    words = ["Hello", "world", "This", "is", "a", "test"]
    text = " ".join(words)
    batch = tokenizer(words, is_split_into_words=True, truncation=True, max_length=7)
    ((cut,),) = batch.cut
    plain = tokenizer(text, truncation=True, max_length=7)
    assert batch["input_ids"] == plain["input_ids"]
    assert plain.cut == [(cut,)]
    assert cut.end == len(text)


def test_windows_lose_nothing_and_share_the_stride(tokenizer: Tokenizer) -> None:
    text = " ".join(TEXTS[:8])
    (whole,) = tokenizer.encode_batch([text])
    inner = whole.ids[1:-1]
    for length, stride in [(10, 0), (10, 3), (10, 7), (32, 8)]:
        windows = tokenizer.windows(text, max_length=length, stride=stride)
        assert all(len(window) <= length and not window.cut for window in windows)
        assert all(window.ids[0] == whole.ids[0] and window.ids[-1] == whole.ids[-1] for window in windows)
        rebuilt = list(windows[0].ids[1:-1])
        for window in windows[1:]:
            assert tuple(rebuilt[len(rebuilt) - stride :]) == window.ids[1 : 1 + stride]
            rebuilt += window.ids[1 + stride : -1]
        assert tuple(rebuilt) == inner
    assert tokenizer.windows(text, max_length=len(whole)) == [whole]


def test_windows_of_many_texts_at_once_and_of_none(tokenizer: Tokenizer) -> None:
    many = tokenizer.windows_batch(TEXTS, max_length=16, stride=4)
    assert many == [tokenizer.windows(text, max_length=16, stride=4) for text in TEXTS]
    (empty,) = tokenizer.windows("")
    assert empty.tokens == ("[CLS]", "[SEP]")
    assert tokenizer.windows_batch([]) == tokenizer.encode_batch([]) == tokenizer.count_tokens([]) == []
    assert max(len(window) for window in tokenizer.windows(TEXTS[22])) == tokenizer.model_max_length


def test_windows_of_impossible_sizes(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"stride=8 must be less than the 8 tokens of text in a window of 10"):
        tokenizer.windows("short", max_length=10, stride=8)
    with pytest.raises(InputError, match=r"max_length=2 leaves no room for text beside 2 special tokens"):
        tokenizer.windows("short", max_length=2)
    with pytest.raises(InputError, match=r"stride must be at least 0; it is -1"):
        tokenizer.windows("short", max_length=10, stride=-1)


def test_count_tokens_counts_what_encode_batch_makes(tokenizer: Tokenizer) -> None:
    many = TEXTS * 40  # more than are counted at once
    assert tokenizer.count_tokens(many) == [len(encoding) for encoding in tokenizer.encode_batch(many)]


@pytest.mark.parametrize("method", ["encode_batch", "count_tokens", "windows_batch"])
def test_what_is_no_text_is_named_by_its_position(tokenizer: Tokenizer, method: str) -> None:
    call = getattr(tokenizer, method)
    with pytest.raises(InputError, match=r"texts\[1\] must be a str; it is None \(NoneType\)"):
        call(["fine", None])
    with pytest.raises(InputError, match=r"texts\[0\] must be a str; it is 3\.5 \(float\)"):
        call([3.5])
    with pytest.raises(InputError, match=r"texts must be a list of texts; it is one str"):
        call("not a list")
    with pytest.raises(InputError, match=r"text 1 is not valid text: half of a surrogate pair .* at character 3"):
        call(["fine", "abc\udc80"])


def test_threads_share_one_tokenizer(tokenizer: Tokenizer) -> None:
    """Calls that pad, cut and split differently run at once; each gets what it gets alone."""
    calls = [
        lambda: tokenizer.encode_batch(TEXTS),
        lambda: tokenizer.encode_batch(TEXTS, max_length=8),
        lambda: tokenizer.windows_batch(TEXTS, max_length=16, stride=4),
        lambda: dict(tokenizer(TEXTS, padding=True, verbose=False)),
        lambda: dict(tokenizer(TEXTS, padding="max_length", truncation=True, padding_side="left")),
        lambda: dict(tokenizer(TEXTS, TEXTS[::-1], truncation=True, max_length=9, split_special_tokens=True)),
        lambda: tokenizer.batch_decode(tokenizer(TEXTS, verbose=False)["input_ids"]),
    ]
    alone = [call() for call in calls]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda index: calls[index % len(calls)](), range(len(calls) * 12)))
    assert all(result == alone[index % len(calls)] for index, result in enumerate(together))


def test_no_call_changes_the_tokenizer(tokenizer: Tokenizer) -> None:
    before = tokenizer._engine.to_json()
    tokenizer(TEXTS, padding="max_length", truncation=True, max_length=8, split_special_tokens=True)
    tokenizer.encode_batch(TEXTS, max_length=8)
    assert tokenizer._engine.to_json() == before
    assert tokenizer._engine.raw.truncation is tokenizer._engine.raw.padding is None


def test_setting_an_attribute_says_how_to_make_another(tokenizer: Tokenizer) -> None:
    with pytest.raises(
        AttributeError, match=r"a tokenizer is immutable, .*tokenizer\.with_options\(padding_side='left'\)"
    ):
        tokenizer.padding_side = "left"
    with pytest.raises(AttributeError, match=r"with_options\(pad_token='\[SEP\]'\)"):
        tokenizer.pad_token = tokenizer.sep_token
    with pytest.raises(AttributeError, match=r"has no attribute 'padding_sides'; did you mean 'padding_side'"):
        tokenizer.padding_sides  # noqa: B018
    left = tokenizer.with_options(padding_side="left", pad_token="[SEP]", model_max_length=12)
    assert (left.padding_side, left.pad_token, left.pad_token_id, left.model_max_length) == ("left", "[SEP]", 3, 12)
    assert (tokenizer.padding_side, tokenizer.pad_token, tokenizer.model_max_length) == ("right", "[PAD]", 32)
    with pytest.raises(
        InputError, match=r"a tokenizer has no option 'paddingside'; it has: .*; did you mean 'padding_side'"
    ):
        tokenizer.with_options(paddingside="left")
    with pytest.raises(InputError, match=r"padding_side must be 'left' or 'right'; it is 'middle'"):
        tokenizer.with_options(padding_side="middle")


def test_a_new_special_token_is_added_and_used(tokenizer: Tokenizer) -> None:
    other = tokenizer.with_options(cls_token="<s>", pad_token="<pad>")
    assert len(other) == len(tokenizer) + 2
    assert other.tokenize("a", add_special_tokens=True) == ["<s>", "a", "[SEP]"]
    assert tokenizer.tokenize("a", add_special_tokens=True) == ["[CLS]", "a", "[SEP]"]
    assert other(["a", "a a"], padding=True).input_ids[0][-1] == other.pad_token_id == len(tokenizer)
    again = other.with_options(cls_token="[CLS]")
    assert again.tokenize("a", add_special_tokens=True) == ["[CLS]", "a", "[SEP]"]


def test_added_tokens_make_another_tokenizer(tokenizer: Tokenizer) -> None:
    size = len(tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        more = tokenizer.with_tokens(["newword", AddedToken("Neu", normalized=False)])
        special = tokenizer.with_tokens("<user>", special=True)
    assert (len(tokenizer), len(more), more.vocab_size) == (size, size + 2, tokenizer.vocab_size)
    assert more.tokenize("a newword Neu") == ["a", "newword", "Neu"]
    assert more.convert_tokens_to_ids("newword") == size
    assert special.all_special_tokens == [*tokenizer.all_special_tokens, "<user>"]
    assert special.decode(special.encode("a <user> b"), skip_special_tokens=True) == "a b"
    assert size not in special.encode_batch(["<user>"])[0].ids
    with pytest.warns(UserWarning, match=r"add_tokens returns another one .*tokenizer = tokenizer\.add_tokens"):
        added = tokenizer.add_tokens("newword")
    assert len(added) == size + 1
    with pytest.warns(UserWarning, match=r"add_special_tokens returns another one"):
        added = tokenizer.add_special_tokens({"bos_token": "<s>", "additional_special_tokens": ["<a>"]})
    assert (added.bos_token, added.bos_token_id, len(added)) == ("<s>", size, size + 2)
    with pytest.raises(InputError, match=r"'begin' is not the role of a special token; roles are: bos_token"):
        tokenizer.add_special_tokens({"begin": "<s>"})


def test_it_survives_pickling_and_copying(tokenizer: Tokenizer) -> None:
    changed = tokenizer.with_tokens("newword").with_options(padding_side="left")
    for other in (pickle.loads(pickle.dumps(changed)), copy.deepcopy(changed)):
        assert other.fingerprint == changed.fingerprint
        assert type(other) is Tokenizer
        assert dict(other(TEXTS, padding=True, verbose=False)) == dict(changed(TEXTS, padding=True, verbose=False))


def test_the_fingerprint_tells_tokenizers_apart(tokenizer: Tokenizer, vocabulary_folder: Path, tmp_path: Path) -> None:
    assert Tokenizer.from_pretrained(vocabulary_folder).fingerprint == tokenizer.fingerprint
    tokenizer.save_pretrained(tmp_path)
    assert Tokenizer.from_pretrained(tmp_path).fingerprint == tokenizer.fingerprint
    others = [tokenizer.with_tokens("x"), tokenizer.with_options(model_max_length=8)]
    others.append(Tokenizer.from_pretrained(vocabulary_folder, do_lower_case=False))
    assert len({tokenizer.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_an_engine_of_the_library_is_copied(tokenizer: Tokenizer) -> None:
    engine = Engine.from_str(tokenizer._engine.to_json())
    engine.enable_truncation(4)
    engine.enable_padding(length=9)
    ours = Tokenizer(engine, TokenizerOptions(special=dict(tokenizer.special_tokens_map)))
    assert ours.encode_batch(TEXTS) == tokenizer.encode_batch(TEXTS)
    assert engine.truncation["max_length"] == 4


def test_it_loads_without_torch_and_transformers() -> None:
    script = (
        "import sys, enfold.text; from enfold.text import tokenizer_class; tokenizer_class('BertTokenizerFast');"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub', 'polars') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
