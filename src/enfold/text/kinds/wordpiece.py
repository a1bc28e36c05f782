"""WordPiece: BERT, DistilBERT, ELECTRA, MPNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from enfold.errors import CheckpointError
from enfold.text.kinds.kind import Built, File, Given, Kind, cls_sep, named
from enfold.text.kinds.vocabulary_files import read_lines

__all__ = ["BERT_TOKENS", "KINDS", "RULES", "bert_normalizer"]

BERT_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
RULES = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
_NAMES = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def bert_normalizer(state: Mapping[str, Any], rules: Mapping[str, Any]) -> normalizers.Normalizer:
    """BERT's normaliser: the engine's own settings, with some replaced by their names in ``tokenizer_config.json``."""
    return normalizers.BertNormalizer(
        **{**state, **{_NAMES[name]: value for name, value in rules.items() if name in _NAMES}}
    )


def _build(given: Given) -> Built:
    """Clean, split off Chinese characters, lower-case, split at blanks and punctuation.

    Devlin et al., 2019, "BERT: Pre-training of Deep Bidirectional Transformers", and its BasicTokenizer: words of more
    than 100 characters are unknown; accents go when ``strip_accents`` says so or, unset, when words are lower-cased.
    """
    source, special = given.files["vocab_file"], given.special
    ids = read_lines(source)
    needed = [special[role] for role in ("unk_token", "cls_token", "sep_token", "pad_token") if role in special]
    missing = [token for token in needed if token not in ids]
    if missing:
        # Every input needs these; added at the end, they would get ids that the model does not know.
        where = f"the vocabulary of {source}" if isinstance(source, (str, Path)) else "the vocabulary of the tokenizer"
        raise CheckpointError(
            f"{where} lacks {', '.join(missing)}; name its own in tokenizer_config.json or as arguments (cls_token=…)"
        )
    engine = tokenizers.Tokenizer(models.WordPiece(ids, unk_token=special["unk_token"], max_input_chars_per_word=100))
    engine.normalizer = bert_normalizer({"clean_text": True}, given.rules)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(prefix="##")
    return Built(engine, without=() if special.get("mask_token") in ids else ("mask_token",))


def _mpnet(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """``<s> A </s>``, ``<s> A </s></s> B </s>``."""
    sep, cls = named(engine, special["sep_token"]), named(engine, special["cls_token"])
    return processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False)


_FILE = File("vocab_file", ("vocab.txt",), also=("vocab",))

KINDS = (
    Kind(
        "BertTokenizer",
        (_FILE,),
        _build,
        BERT_TOKENS,
        cls_sep,
        rules=RULES,
        also=("ElectraTokenizer",),
        model_types=("bert", "electra"),
        model_input_names=("input_ids", "token_type_ids", "attention_mask"),
    ),
    Kind(
        "DistilBertTokenizer",
        (_FILE,),
        _build,
        BERT_TOKENS,
        cls_sep,
        rules=RULES,
        model_types=("distilbert",),
    ),
    Kind(
        "MPNetTokenizer",
        (_FILE,),
        _build,
        {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "cls_token": "<s>",
            "unk_token": "[UNK]",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
        _mpnet,
        flags={"mask_token": {"lstrip": True}},
        rules=RULES,
        model_types=("mpnet",),
    ),
)
