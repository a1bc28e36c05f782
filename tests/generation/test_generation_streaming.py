"""Text by whole characters, as it comes: what is given out is never taken back, and together is the whole text."""

import threading

import pytest
import tokenizers
import torch
import transformers
from generation_reference import ReferenceModel, gpt2, random_prompts
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from enfold.errors import InputError
from enfold.generation import (
    Detokeniser,
    GenerationConfig,
    TextIteratorStreamer,
    TextStreamer,
    generate,
    generate_compatible,
    stream,
)
from enfold.generation.detokenise import StopStrings, Writing

TEXTS = [
    "plain words, and some more of them.",
    "emoji: 😀👩‍👩‍👧🇩🇪 done",
    "中文字符混合 English 文字，标点。",
    "naïve café — “quotes” … ½",
    "हिन्दी में, русский, עברית",
    "  two  blanks\nand a line ",
]


def byte_level() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS[:1], trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    )
    return made


def sentence_pieces() -> tokenizers.Tokenizer:
    """Pieces with their blank in front, bytes for what is not in the vocabulary, as Llama's first tokenizers."""
    learnt = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    learnt.pre_tokenizer = pre_tokenizers.Metaspace()
    learnt.train_from_iterator(
        TEXTS[:1], trainers.BpeTrainer(vocab_size=60, special_tokens=["<unk>"], show_progress=False)
    )
    vocabulary = {"<unk>": 0, **{f"<0x{byte:02X}>": byte + 1 for byte in range(256)}}
    state = learnt.model.__getstate__()
    import json

    merges = [tuple(pair) for pair in json.loads(state)["merges"]]
    for token in json.loads(state)["vocab"]:
        vocabulary.setdefault(token, len(vocabulary))
    made = tokenizers.Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


KINDS = {"byte level": byte_level, "sentence pieces": sentence_pieces}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_whole_characters_and_together_the_text(kind, text):
    tokenizer = KINDS[kind]()
    ids = tokenizer.encode(text).ids
    detokeniser = Detokeniser(tokenizer.decode)
    pieces = [detokeniser.push(token) for token in ids]
    assert "�" not in "".join(pieces)
    assert "".join(pieces) + detokeniser.finish() == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_most_tokens_give_their_text_at_once(kind):
    tokenizer = KINDS[kind]()
    ids = tokenizer.encode(TEXTS[0]).ids
    detokeniser = Detokeniser(tokenizer.decode)
    for count, token in enumerate(ids, 1):
        before = tokenizer.decode(ids[: count - 1])
        assert before + detokeniser.push(token) == tokenizer.decode(ids[:count])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_goes_on_where_the_prompt_ended(kind, text):
    tokenizer = KINDS[kind]()
    ids = tokenizer.encode(text).ids
    for cut in range(1, len(ids)):
        before, whole = tokenizer.decode(ids[:cut]), tokenizer.decode(ids)
        if before.endswith("�"):
            continue
        detokeniser = Detokeniser(tokenizer.decode, ids[:cut])
        assert "".join(detokeniser.push(token) for token in ids[cut:]) + detokeniser.finish() == whole[len(before) :]


def test_half_a_character_that_never_ends_comes_at_the_end():
    tokenizer = byte_level()
    ids = tokenizer.encode("ab 中").ids[:-1]
    detokeniser = Detokeniser(tokenizer.decode)
    assert "".join(detokeniser.push(token) for token in ids) == "ab "
    assert detokeniser.finish() == "�"


def test_a_character_begun_in_the_prompt_is_given_out_whole():
    tokenizer = byte_level()
    ids = tokenizer.encode("中a").ids
    detokeniser = Detokeniser(tokenizer.decode, ids[:1])
    assert [detokeniser.push(token) for token in ids[1:]][-2:] == ["中", "a"]


def test_tokens_without_text_between_words_lose_no_blank():
    tokenizer = sentence_pieces()
    tokenizer.add_special_tokens(["<s>"])
    start = tokenizer.token_to_id("<s>")
    words = tokenizer.encode("and more").ids
    ids = [*words, start, *words]
    detokeniser = Detokeniser(tokenizer.decode)
    assert "".join(detokeniser.push(token) for token in ids) == tokenizer.decode(ids) == "and more and more"


def letters(ids):
    return "".join(chr(ord("a") + number) for number in ids)


def test_a_stop_string_is_found_across_tokens_and_never_given_out():
    writing = Writing(letters, StopStrings(["cde", "xyz"]))
    given = [writing.push(number) for number in [0, 2, 3, 0, 2, 3, 4, 5]]
    assert given[:6] == [("a", None), ("", None), ("", None), ("cda", None), ("", None), ("", None)]
    assert given[6] == ("", "cde")
    assert writing.text == "acda"


def test_the_first_stop_string_counts_and_of_two_at_one_place_the_longer():
    stops = StopStrings(["b", "bc", "cd"])
    assert stops.first_in("xxcdbc") == (2, "cd")
    assert stops.first_in("abc") == (1, "bc")
    assert stops.first_in("none") is None


def test_what_may_become_a_stop_string_comes_when_it_cannot_any_more():
    writing = Writing(letters, StopStrings(["aab"]))
    assert [writing.push(number)[0] for number in [0, 0, 0, 2]] == ["", "", "a", "aac"]
    writing = Writing(letters, StopStrings(["aab"]))
    assert [writing.push(number)[0] for number in [0, 0]] == ["", ""]
    assert writing.finish() == "aa"


def test_the_pieces_of_a_stream_are_the_whole():
    tokenizer = byte_level()
    model = ReferenceModel(gpt2())
    prompts = random_prompts(4, seed=3)
    config = GenerationConfig(max_new_tokens=12, eos_token_id=list(range(2, 20)))
    texts, ids, last = {}, {}, {}
    for piece in stream(model, prompts, config, decode=tokenizer.decode):
        assert piece.prompt not in last
        texts[piece.prompt] = texts.get(piece.prompt, "") + piece.text
        ids[piece.prompt] = ids.get(piece.prompt, ()) + piece.ids
        if piece.generated is not None:
            last[piece.prompt] = piece.generated
    expected = generate(model, prompts, config, decode=tokenizer.decode)
    assert {number: row[0] for number, row in enumerate(expected)} == last
    assert texts == {number: one.text for number, one in last.items()}
    assert ids == {number: one.ids for number, one in last.items()}


def test_a_stop_id_has_no_text():
    model = ReferenceModel(gpt2())
    config = GenerationConfig(max_new_tokens=20, eos_token_id=list(range(2, 60)))
    for (one,) in generate(model, random_prompts(3), config, decode=letters):
        if one.finish_reason == "stop":
            assert one.text == letters(one.ids[:-1])


def test_a_stop_string_ends_its_row_alone():
    model = ReferenceModel(gpt2())
    prompts = random_prompts(3, seed=2)
    free = generate(model, prompts, GenerationConfig(max_new_tokens=10, eos_token_id=[]), decode=letters)
    stop = free[1][0].text[3:6]
    config = GenerationConfig(max_new_tokens=10, eos_token_id=[], stop_strings=stop)
    rows = generate(model, prompts, config, decode=letters)
    one, whole = rows[1][0], free[1][0]
    assert (one.finish_reason, one.stopped_by) == ("stop_string", stop)
    assert one.text == whole.text[: whole.text.index(stop)]
    assert letters(one.ids).endswith(stop)
    assert rows[0][0].ids == free[0][0].ids or stop in free[0][0].text


def test_checks_come_before_the_first_piece_is_asked_for():
    with pytest.raises(InputError, match="stop_strings are looked for in text: give decode="):
        stream(ReferenceModel(gpt2()), [[7]], GenerationConfig(stop_strings=["x"]))


@pytest.mark.parametrize("skip_prompt", [False, True])
def test_text_streamers_give_the_text_of_transformers(skip_prompt, capsys):
    tokenizer = byte_level()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    ids = torch.tensor([tokenizer.encode("so").ids])
    model = ReferenceModel(gpt2())
    options = {"max_new_tokens": 12, "eos_token_id": None}
    gpt2().generate(ids, streamer=transformers.TextStreamer(fast, skip_prompt=skip_prompt), **options)
    theirs = capsys.readouterr().out
    generate_compatible(model, ids, streamer=TextStreamer(fast, skip_prompt), **options)
    assert capsys.readouterr().out == theirs
    pieces = TextIteratorStreamer(fast, skip_prompt, timeout=10)
    thread = threading.Thread(target=generate_compatible, args=(model, ids), kwargs={"streamer": pieces, **options})
    thread.start()
    assert "".join(pieces) == theirs[:-1]
    thread.join()


def test_a_text_streamer_takes_one_sequence():
    with pytest.raises(InputError, match="a streamer takes one sequence; these are 2"):
        TextStreamer(byte_level()).put(torch.tensor([[1], [2]]))
