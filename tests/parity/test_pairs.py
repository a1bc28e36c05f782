"""What all encoder-decoders do: names, files of other versions, shared words, resizing, int8, states that are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import test_bart
import test_blenderbot
import test_m2m_100
import test_marian
import test_mbart
import test_pegasus
import test_t5
import torch
import transformers
from checkers import Pair, assert_close, assert_same_outputs, attention_mask
from family_parity import PairParity
from file_checkers import assert_same_files
from safetensors.torch import load_file, save_file
from transformers.models.auto import modeling_auto

import enfold
from enfold.errors import InputError
from enfold.models import pack
from enfold.models.auto import class_for
from enfold.models.quantised import is_quantised, quantise_model

WITH_BIAS = (
    test_bart.TestBart,
    test_mbart.TestMBart,
    test_marian.TestMarian,
    test_blenderbot.TestBlenderbot,
    test_blenderbot.TestBlenderbotSmall,
    test_pegasus.TestPegasus,
)
FAMILIES = (*WITH_BIAS, test_m2m_100.TestM2M100, test_t5.TestT5, test_t5.TestMT5)
each = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.prefix)


def writer(family: type[PairParity]) -> str:
    return next(head for head in family.heads if head in ("ForConditionalGeneration", "MTModel"))


def usual(family: type[PairParity]) -> str:
    return next(iter(family.configs))


def writers(family: type[PairParity], **more: Any) -> Pair:
    return family.pair(writer(family), usual(family), **more)


def inputs_of(family: type[PairParity], mask: str = "right") -> dict[str, Any]:
    return family.inputs(writer(family), usual(family), mask)


# ---- names ----------------------------------------------------------------------------------------------------------

NAMES = ("input_ids", "attention_mask")
MAPPINGS = {
    "ForSeq2SeqLM": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "ForCausalLM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "ForMaskedLM": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "ForPreTraining": modeling_auto.MODEL_FOR_PRETRAINING_MAPPING_NAMES,
    "ForSequenceClassification": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "ForQuestionAnswering": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    "ForTokenClassification": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    "Model": modeling_auto.MODEL_MAPPING_NAMES,
}


@each
def test_each_task_takes_the_class_that_theirs_takes(family: type[PairParity]) -> None:
    model_type = family.classes("Model")[0].config_class.model_type
    for suffix, names in MAPPINGS.items():
        wanted = names.get(model_type)
        if wanted is None:
            continue
        assert class_for(model_type, suffix).__name__ == wanted
        assert any(wanted == family.prefix + head for head in family.heads), f"{wanted} is not compared"


# ---- what a decoder reads -------------------------------------------------------------------------------------------


@each
def test_labels_alone_are_what_the_decoder_says(family: type[PairParity]) -> None:
    inputs = inputs_of(family)
    for name in ("decoder_input_ids", "decoder_attention_mask"):
        del inputs[name]
    pair, labels = writers(family), inputs["labels"]
    wanted = pair.theirs.prepare_decoder_input_ids_from_labels if hasattr(pair.theirs, "_shift_right") else None
    if wanted is not None:
        assert torch.equal(pair.ours.prepare_decoder_input_ids_from_labels(labels), wanted(labels))
    own, other = pair.ours(**inputs), pair.theirs(**inputs)
    assert_close("loss", own.loss, other.loss, 1e-5)
    assert_close("logits", own.logits, other.logits, 1e-4)


@each
def test_inputs_are_read_again_only_by_those_that_restore_them(family: type[PairParity]) -> None:
    model, ids = writers(family).ours, inputs_of(family)["input_ids"]
    if family in (test_bart.TestBart, test_mbart.TestMBart):
        assert model(input_ids=ids).logits.shape[:2] == ids.shape
        return
    with pytest.raises(InputError, match="decoder_input_ids or decoder_inputs_embeds, or labels"):
        model(input_ids=ids)


@each
def test_labels_alone_may_be_packed(family: type[PairParity]) -> None:
    """Each row is shifted by itself, behind what the family begins with."""
    model, inputs = writers(family).ours, inputs_of(family)
    labels = [[7, 8, 9, 2], [10, 11], [12, 13, 14], [15]]
    padded = torch.full((4, 4), -100)
    for row, own in enumerate(labels):
        padded[row, : len(own)] = torch.tensor(own)
    expected = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=padded)
    read = pack([row[: int(real.sum())].tolist() for row, real in zip(*map(inputs.get, NAMES), strict=True)])
    said = pack(labels)
    found = model(input_ids=read.input_ids, layout=read.layout, labels=said.input_ids, decoder_layout=said.layout)
    assert_close("loss", found.loss, expected.loss, 1e-5)


@each
def test_masks_with_holes_hide_places_of_the_encoder(family: type[PairParity]) -> None:
    holes = attention_mask("holes")
    pad = family.pad_id(family.settings(writer(family), usual(family)))
    inputs = inputs_of(family, "none")
    inputs |= {"attention_mask": holes, "input_ids": inputs["input_ids"].masked_fill(holes == 0, pad)}
    pair = writers(family)
    own, other = pair.ours(**inputs), pair.theirs(**inputs)
    assert_close("loss", own.loss, other.loss, 1e-5)
    assert_close("logits", own.logits, other.logits, 1e-4)


@each
def test_one_more_token_sees_what_theirs_sees(family: type[PairParity]) -> None:
    """States and attentions of both kinds of a step behind a cache, and of the step that filled it."""
    pair, inputs = writers(family), inputs_of(family)
    shown = {"output_attentions": True, "output_hidden_states": True, "use_cache": True}
    read = {name: inputs[name] for name in NAMES}
    ids = inputs["decoder_input_ids"][:, :3].masked_fill(inputs["decoder_input_ids"][:, :3] == 1, 9)
    own, other = (model(**read, decoder_input_ids=ids[:, :2], **shown) for model in (pair.ours, pair.theirs))
    for step in (0, 1):
        assert_close("logits", own.logits, other.logits, 1e-4)
        for kind in ("decoder_hidden_states", "decoder_attentions", "cross_attentions"):
            for found, wanted in zip(own[kind], other[kind], strict=True):
                assert_close(f"{kind} of step {step}", found, wanted, 1e-4)
        if step == 0:
            own, other = (
                model(
                    attention_mask=read["attention_mask"],
                    decoder_input_ids=ids[:, 2:],
                    encoder_outputs=(before.encoder_last_hidden_state,),
                    past_key_values=before.past_key_values,
                    **shown,
                )
                for model, before in ((pair.ours, own), (pair.theirs, other))
            )


def test_a_row_with_nothing_for_the_encoder_is_refused() -> None:
    model = enfold.BartForConditionalGeneration(enfold.BartConfig(**test_bart.SMALL)).eval()
    ids = torch.full((2, 3), 7)
    with pytest.raises(InputError, match="example 1 has no tokens for the encoder"):
        model(ids, attention_mask=torch.tensor([[1, 1, 1], [0, 0, 0]]), decoder_input_ids=ids)


def test_rows_that_do_not_fit_together_are_refused() -> None:
    model, inputs = writers(test_bart.TestBart).ours, inputs_of(test_bart.TestBart, "none")
    with pytest.raises(InputError, match="the decoder has 4 rows, the encoder 3; there must be as many"):
        model(input_ids=inputs["input_ids"][:3], decoder_input_ids=inputs["decoder_input_ids"])
    mask = torch.ones(4, 9, 9).tril()
    with pytest.raises(
        InputError, match=r"a decoder attends to an encoder by a mask of places, \(batch, seq\), or none"
    ):
        model(input_ids=inputs["input_ids"], attention_mask=mask, decoder_input_ids=inputs["decoder_input_ids"])
    judge = test_bart.TestBart.pair("ForSequenceClassification", "usual").ours
    states = torch.randn(4, 9, 32)
    with pytest.raises(InputError, match="this head reads the state at a place of input_ids: give them"):
        judge(encoder_outputs=states, decoder_input_ids=inputs["decoder_input_ids"])


@each
def test_states_of_the_encoder_may_be_given(family: type[PairParity]) -> None:
    pair, inputs = writers(family), inputs_of(family)
    states = pair.theirs.get_encoder()(inputs.pop("input_ids"), attention_mask=inputs["attention_mask"])[0].detach()
    given = inputs | {"encoder_outputs": (states,)}
    own, other = pair.ours(**given), pair.theirs(**given)
    assert_close("loss", own.loss, other.loss, 1e-5)
    real = attention_mask("right")[:, : own.logits.shape[1]] != 0
    assert_close("logits", own.logits[real], other.logits[real], 1e-4)


@each
@pytest.mark.parametrize("config", ["usual", "scaled", "1.0"])
def test_vectors_may_be_given_in_place_of_ids(family: type[PairParity], config: str) -> None:
    if config not in family.configs:
        return
    pair, inputs = family.pair("Model", config), family.inputs("Model", config, "right")
    for number, name in enumerate(("input_ids", "decoder_input_ids")):
        torch.manual_seed(number)
        inputs[name.replace("input_ids", "inputs_embeds")] = torch.randn(*inputs.pop(name).shape, 32)
    assert_same_outputs(pair, inputs, exact=family.exact)


# ---- files ----------------------------------------------------------------------------------------------------------


def rewritten(folder: Path, change: Any, **config: Any) -> Path:
    """The folder with other tensors and other keys of ``config.json``."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | config))
    return folder


@pytest.mark.parametrize("family", WITH_BIAS, ids=lambda family: family.prefix)
def test_a_bias_of_the_scores_that_a_file_lacks_is_zero(family: type[PairParity], tmp_path: Path) -> None:
    pair = writers(family)
    assert bool(pair.ours.final_logits_bias.any())
    pair.theirs.save_pretrained(tmp_path)
    rewritten(tmp_path, lambda own: {name: value for name, value in own.items() if name != "final_logits_bias"})
    read = family.classes(writer(family))[0].from_pretrained(tmp_path)
    assert read.final_logits_bias.shape == (1, 61) and not bool(read.final_logits_bias.any())
    assert not read.loading_report.initialised


def own_head(family: type[PairParity], folder: Path) -> Any:
    """A file as T5 1.1's are: the map to scores has weights of its own, and the config says that words are not tied."""
    theirs = family.pair("ForConditionalGeneration", "1.1" if family is test_t5.TestT5 else "usual").theirs
    theirs.save_pretrained(folder)
    torch.manual_seed(8)
    head = torch.randn(61, 32)
    own = {"tie_word_embeddings": False}
    values = json.loads((folder / "config.json").read_text())
    values.pop("scale_decoder_outputs", None)
    (folder / "config.json").write_text(json.dumps(values))
    rewritten(folder, lambda tensors: tensors | {"lm_head.weight": head}, **own)
    return head


@pytest.mark.parametrize("family", [test_t5.TestT5, test_t5.TestMT5], ids=lambda family: family.prefix)
def test_t5_with_a_head_of_its_own_shares_the_other_words(family: type[PairParity], tmp_path: Path) -> None:
    head = own_head(family, tmp_path / "theirs")
    ours, theirs = family.classes("ForConditionalGeneration")
    pair = Pair(
        ours.from_pretrained(tmp_path / "theirs"),
        theirs.from_pretrained(tmp_path / "theirs", attn_implementation="eager").eval(),
    )
    inputs = family.inputs("ForConditionalGeneration", usual(family), "left")
    assert_same_outputs(pair, inputs, exact=family.exact)
    assert torch.equal(pair.ours.lm_head.weight, head)
    assert pair.ours.encoder.embed_tokens.weight is pair.ours.shared.weight is pair.ours.decoder.embed_tokens.weight
    assert not getattr(pair.ours.config, "scale_decoder_outputs", False)
    pair.ours.save_pretrained(tmp_path / "ours")
    again = Pair(
        ours.from_pretrained(tmp_path / "ours"),
        theirs.from_pretrained(tmp_path / "ours", attn_implementation="eager").eval(),
    )
    assert_same_outputs(again, inputs, exact=family.exact)
    assert "encoder.embed_tokens.weight" not in load_file(tmp_path / "ours" / "model.safetensors")
    assert_same_files(again, tmp_path)


def test_an_unused_bias_of_older_t5_files_is_left_alone(tmp_path: Path) -> None:
    pair = writers(test_t5.TestT5)
    pair.theirs.save_pretrained(tmp_path)
    stray = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    rewritten(tmp_path, lambda tensors: tensors | {stray: torch.randn(8, 4)})
    assert not enfold.T5ForConditionalGeneration.from_pretrained(tmp_path).loading_report.unused


@pytest.mark.parametrize("family", (*WITH_BIAS, test_m2m_100.TestM2M100), ids=lambda family: family.prefix)
def test_what_fairseq_left_in_files_is_left_alone(family: type[PairParity], tmp_path: Path) -> None:
    writers(family).theirs.save_pretrained(tmp_path)
    strays = {"model.encoder.version": torch.ones(1), "model.decoder.embed_positions.weights": torch.randn(18, 32)}
    rewritten(tmp_path, lambda tensors: tensors | strays)
    report = family.classes(writer(family))[0].from_pretrained(tmp_path).loading_report
    assert not report.unused and not report.initialised


def test_words_that_version_4_wrote_once_are_read_where_the_config_ties_nothing(tmp_path: Path) -> None:
    theirs = test_bart.TestBart.pair("ForConditionalGeneration", "usual").theirs
    theirs.save_pretrained(tmp_path)
    head = torch.randn(61, 32)
    rewritten(tmp_path, lambda tensors: tensors | {"lm_head.weight": head}, tie_word_embeddings=False)
    read = enfold.BartForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(read.lm_head.weight, head)
    for table in (read.model.shared, read.model.encoder.embed_tokens, read.model.decoder.embed_tokens):
        assert torch.equal(table.weight, theirs.model.shared.weight)


# ---- another number of words ----------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("number", [70, 50])
def test_the_words_and_the_bias_of_the_scores_are_resized(
    family: type[PairParity], number: int, tmp_path: Path
) -> None:
    settings = (
        {}
        if number > 61 or family is not test_marian.TestMarian
        else {"pad_token_id": 40, "decoder_start_token_id": 40}
    )
    pair = writers(family, **settings)
    inputs = {name: value for name, value in inputs_of(family, "none").items() if name != "labels"}
    inputs = {name: value.clamp(max=number - 1) if torch.is_tensor(value) else value for name, value in inputs.items()}
    before = pair.ours(**inputs).logits
    pair.ours.resize_token_embeddings(number)
    after = pair.ours(**inputs).logits
    assert after.shape[-1] == number == pair.ours.vocabulary == pair.ours.encoder_vocabulary
    kept = min(number, 61)
    assert_close("logits of old words", after[..., :kept], before[..., :kept], 1e-6)
    pair.ours.save_pretrained(tmp_path)
    theirs = family.classes(writer(family))[1].from_pretrained(tmp_path).eval()
    assert_close("logits", after, theirs(**inputs).logits, 1e-4)


def test_stacks_with_words_of_their_own_are_resized_each_by_itself(tmp_path: Path) -> None:
    pair = writers(test_bart.TestBart, tie_word_embeddings=False)
    inputs = {name: value for name, value in inputs_of(test_bart.TestBart, "none").items() if name != "labels"}
    before = pair.ours(**inputs).logits
    pair.ours.resize_token_embeddings(70)
    after = pair.ours(**inputs).logits
    assert_close("logits of old words", after[..., :61], before, 1e-6)
    pair.ours.save_pretrained(tmp_path)
    assert torch.equal(enfold.BartForConditionalGeneration.from_pretrained(tmp_path)(**inputs).logits, after)


def test_two_vocabularies_are_resized_apart() -> None:
    model = test_marian.TestMarianOfTwoVocabularies.pair("MTModel", "two").ours
    assert (model.encoder_vocabulary, model.vocabulary) == (61, 67)
    model.resize_token_embeddings(64)
    model.resize_decoder_token_embeddings(80)
    encoder, decoder = model.model.encoder.embed_tokens, model.model.decoder.embed_tokens
    assert (encoder.num_embeddings, decoder.num_embeddings, model.lm_head.out_features) == (64, 80, 80)
    assert model.lm_head.weight is decoder.weight and model.final_logits_bias.shape == (1, 80)
    assert (model.config.vocab_size, model.config.decoder_vocab_size) == (64, 80)
    assert (model.encoder_vocabulary, model.vocabulary) == (64, 80)
    with pytest.raises(InputError, match="same word vectors: call resize_token_embeddings"):
        writers(test_marian.TestMarian).ours.resize_decoder_token_embeddings(80)


# ---- int8 -----------------------------------------------------------------------------------------------------------


@each
def test_the_blocks_of_both_stacks_have_int8_weights_and_a_folder(family: type[PairParity], tmp_path: Path) -> None:
    model, inputs = writers(family).ours, inputs_of(family)
    small = quantise_model(model)
    stack = small.base_model
    for side in (stack.encoder, stack.decoder):
        assert all(is_quantised(block) for block in side.blocks)
    assert is_quantised(small.lm_head)
    assert small.get_input_embeddings().weight.dtype == torch.float32
    with torch.no_grad():
        wanted, found = model(**inputs), small(**inputs)
    spread = float(wanted.logits.std())
    assert float((found.logits - wanted.logits).abs().mean()) < 0.3 * spread
    small.save_pretrained(tmp_path)
    with torch.no_grad():
        read = type(model).from_pretrained(tmp_path)(**inputs)
    assert torch.equal(read.logits, found.logits)


# ---- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "options"),
    [
        (test_m2m_100.TestM2M100, {"forced_bos_token_id": 17}),
        (test_marian.TestMarian, {"bad_words_ids": [[60], [9]], "num_beams": 3}),
    ],
    ids=["nllb", "marian"],
)
def test_what_translators_say_first_and_never(family: type[PairParity], options: dict[str, Any]) -> None:
    pair, inputs = writers(family), inputs_of(family)
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")} | options
    wanted = pair.theirs.generate(**given, max_new_tokens=5, do_sample=False)
    found = pair.ours.generate(**given, max_new_tokens=5, do_sample=False)
    assert found.tolist() == wanted.tolist()
    if "forced_bos_token_id" in options:
        assert found[:, 1].tolist() == [17] * 4


@pytest.mark.parametrize("family", [own for own in FAMILIES if "ForCausalLM" in own.heads], ids=lambda own: own.prefix)
def test_a_decoder_alone_writes_on_from_its_prompt(family: type[PairParity]) -> None:
    pair = family.pair("ForCausalLM", usual(family))
    ids = family.inputs("ForCausalLM", usual(family), "none")["input_ids"][:, :4]
    assert not pair.ours.is_encoder_decoder
    options = {"max_new_tokens": 5, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    wanted = transformers.GenerationMixin.generate(pair.theirs, ids, **options)
    assert pair.ours.generate(ids, **options).tolist() == wanted.tolist()


# ---- config.json of published models --------------------------------------------------------------------------------

COMMON: dict[str, Any] = {"is_encoder_decoder": True, "use_cache": True, "transformers_version": "4.23.1"}
BARTS = {
    "encoder_layers": 6,
    "decoder_layers": 6,
    "encoder_ffn_dim": 2048,
    "decoder_ffn_dim": 2048,
    "encoder_attention_heads": 8,
    "decoder_attention_heads": 8,
    "num_hidden_layers": 6,
    "d_model": 512,
    "dropout": 0.1,
    "torch_dtype": "float32",
}
PUBLISHED: dict[str, dict[str, Any]] = {
    "flan-t5-small": {
        "model_type": "t5",
        "d_ff": 1024,
        "d_kv": 64,
        "d_model": 512,
        "decoder_start_token_id": 0,
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu",
        "n_positions": 512,
        "num_decoder_layers": 8,
        "num_heads": 6,
        "num_layers": 8,
        "output_past": True,
        "tie_word_embeddings": False,
        "vocab_size": 32128,
    },
    "t5-small": {
        "model_type": "t5",
        "d_ff": 2048,
        "d_kv": 64,
        "d_model": 512,
        "decoder_start_token_id": 0,
        "layer_norm_epsilon": 1e-06,
        "num_heads": 8,
        "num_layers": 6,
        "task_specific_params": {"translation_en_to_de": {"prefix": "translate English to German: "}},
    },
    "mt5-small": {"model_type": "mt5", "d_ff": 1024, "num_heads": 6, "num_layers": 8, "tie_word_embeddings": False},
    "opus-mt-en-de": BARTS
    | {
        "model_type": "marian",
        "vocab_size": 58101,
        "decoder_start_token_id": 58100,
        "pad_token_id": 58100,
        "eos_token_id": 0,
        "activation_function": "swish",
        "scale_embedding": True,
        "static_position_embeddings": True,
        "normalize_before": False,
        "classif_dropout": 0.0,
        "bad_words_ids": [[58100]],
        "num_beams": 6,
        "max_length": 512,
    },
    "nllb-200-distilled": BARTS
    | {"model_type": "m2m_100", "vocab_size": 256206, "max_length": 200, "scale_embedding": True},
    "mbart-large-50": BARTS
    | {"model_type": "mbart", "vocab_size": 250054, "add_final_layer_norm": True, "normalize_before": True},
    "pegasus-xsum": BARTS
    | {"model_type": "pegasus", "vocab_size": 96103, "scale_embedding": True, "length_penalty": 0.6, "num_beams": 8},
    "blenderbot-400M-distill": BARTS
    | {"model_type": "blenderbot", "vocab_size": 8008, "layernorm_variant": "prelayernorm", "min_length": 20},
    "blenderbot_small-90M": BARTS
    | {"model_type": "blenderbot-small", "vocab_size": 54944, "layernorm_variant": "xlm", "scale_embedding": True},
    "bart-large-cnn": BARTS
    | {"model_type": "bart", "forced_bos_token_id": 0, "no_repeat_ngram_size": 3, "early_stopping": True},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_of_published_files_are_read_as_theirs_are_and_kept(name: str, tmp_path: Path) -> None:
    values = COMMON | PUBLISHED[name]
    (tmp_path / "config.json").write_text(json.dumps(values))
    own = enfold.AutoConfig.from_pretrained(tmp_path).to_dict()
    theirs = transformers.AutoConfig.from_pretrained(tmp_path).to_dict()
    told = {key: value for key, value in theirs.items() if key not in ("_name_or_path", "transformers_version")}
    differing = {key: (own.get(key), value) for key, value in told.items() if own.get(key) != value}
    assert not differing
    renamed = {"num_hidden_layers", "torch_dtype", "tie_word_embeddings"}
    assert {key: own[key] for key in values if key not in renamed} == {
        key: value for key, value in values.items() if key not in renamed
    }
