"""DeBERTa, second and third version (He et al., 2021 and 2023): attention that compares content and distance apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from enfold.layers.disentangled import DisentangledBlock, DisentangledSpec
from enfold.layers.specs import AttentionSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import EncoderModel
from enfold.models.families import bert
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class DebertaV2Config(PreTrainedConfig):
    """The ``config.json`` of model type ``deberta-v2``. The first keys below are only in files that need them."""

    model_type = "deberta-v2"

    is_decoder: ClassVar[bool] = False
    position_buckets: ClassVar[int] = -1
    share_att_key: ClassVar[bool] = False
    norm_rel_ebd: ClassVar[str] = "none"
    conv_kernel_size: ClassVar[int] = 0
    conv_groups: ClassVar[int] = 1
    conv_act: ClassVar[str] = "tanh"
    embedding_size: ClassVar[int | None] = None
    attention_head_size: ClassVar[int | None] = None

    vocab_size: int = 128100
    hidden_size: int = 1536
    num_hidden_layers: int = 24
    num_attention_heads: int = 24
    intermediate_size: int = 6144
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-7
    relative_attention: bool = False
    max_relative_positions: int = -1
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    position_biased_input: bool = True
    pos_att_type: list[str] | None = None
    pooler_dropout: float = 0.0
    pooler_hidden_act: str = "gelu"
    pooler_hidden_size: int | None = None
    legacy: bool = True
    tie_word_embeddings: bool = True

    def __init__(self, **values: Any) -> None:
        terms = values.get("pos_att_type")
        if isinstance(terms, str):
            values["pos_att_type"] = [term.strip() for term in terms.lower().split("|")]
        super().__init__(**values)
        if self.pooler_hidden_size is None:
            self.pooler_hidden_size = self.hidden_size


NAMES = {role: path for role, path in bert.NAMES.items() if role != "pooler"} | {
    "embeddings_projection": "embeddings.embed_proj",
    "distances": "encoder.rel_embeddings",
    "distances_norm": "encoder.LayerNorm",
    "convolution": "encoder.conv",
}
BLOCK = bert.BLOCK | {role: f"attention.self.{role}_proj" for role in ("query", "key", "value")}
POOLED: dict[str, Any] = {
    "pick": "first",
    "steps": (
        Drop(("pooler_dropout",)),
        Dense("pooler.dense"),
        Activation(of="pooler_hidden_act"),
        Drop(("cls_dropout", "hidden_dropout_prob")),
    ),
}


def disentangled(config: DebertaV2Config) -> DisentangledSpec:
    """How contents and distances are compared."""
    furthest = config.max_relative_positions
    return DisentangledSpec(
        terms=tuple(config.pos_att_type or ()),
        furthest=furthest if furthest > 0 else config.max_position_embeddings,
        buckets=max(config.position_buckets, 0),
        distances=config.relative_attention,
        shared=config.share_att_key,
        normed="layer_norm" in (term.strip() for term in config.norm_rel_ebd.lower().split("|")),
        kernel=config.conv_kernel_size,
        groups=config.conv_groups,
        activation=config.conv_act,
    )


def spec(config: DebertaV2Config) -> StackSpec:
    """What the stack is made of."""
    like_bert, own, count = bert.spec(config), disentangled(config), config.num_attention_heads
    table = replace(like_bert.embeddings, width=config.embedding_size, project="unnormed", project_bias=False)
    width = config.attention_head_size or config.hidden_size // count
    scale = (width * (1 + sum(term in own.terms for term in ("c2p", "p2c")))) ** -0.5
    dropout = config.attention_probs_dropout_prob
    return replace(
        like_bert,
        embeddings=replace(table, ignores_types=True),
        positions=like_bert.positions if config.position_biased_input else None,
        attention=AttentionSpec(heads=count, head_width=width, scale=scale, dropout=dropout),
        block=DisentangledBlock,
        blanks=True,
        names=NAMES,
        block_names=BLOCK,
        parts=own.parts(),
    )


def words(config: DebertaV2Config) -> dict[str, Any]:
    """The head that scores the vocabulary, of later checkpoints: products with the word vectors themselves."""
    if config.legacy:
        return {}
    path = "lm_predictions.lm_head"
    steps = (Dense(f"{path}.dense"), Activation(of="hidden_act"), Norm(f"{path}.LayerNorm"))
    return {"steps": steps, "output": "", "bias": f"{path}.bias"}


FIRST = Dense("cls.predictions.transform.dense", to="embedding_size")
VOCABULARY = bert.VOCABULARY | {"steps": (FIRST, *bert.VOCABULARY["steps"][1:])}

FAMILY = Family(
    attribute="deberta",
    members={"DebertaV2": DebertaV2Config},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads={
        "ForSequenceClassification": Plan(kind=heads.SequenceClassification, **POOLED),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(Drop(("hidden_dropout_prob",)),)),
        "ForMultipleChoice": Plan(kind=heads.MultipleChoice, **POOLED),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
        "ForMaskedLM": Plan(kind=language_heads.MaskedLM, depends=words, **VOCABULARY),
    },
    tasks={"ForPreTraining": "ForMaskedLM"},
    derived=(r"embeddings\.position_ids$",),
    # The published files hold the heads of pre-training, and perhaps a table that is not used.
    unread=("lm_predictions", "mask_predictions", "cls", "deberta.embeddings.position_embeddings"),
    tokenizers=("DebertaV2Tokenizer", "DebertaV2TokenizerFast"),
)
