"""What every model shares: building, reading and writing a folder, and the small things users reach for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from enfold.errors import CheckpointError, InputError
from enfold.files import write_json
from enfold.layers.linear import QuantisedLinear
from enfold.layers.specs import PairSpec
from enfold.models import quantised
from enfold.models.config import PreTrainedConfig
from enfold.models.family import Family
from enfold.models.initialise import initialise
from enfold.models.memory import check_memory
from enfold.models.reading import read_weights
from enfold.models.resizing import resize_words
from enfold.models.skeleton import is_skeleton, skeleton
from enfold.models.sources import open_tensors, stored_config
from enfold.models.weights import LoadingReport, dtype_named, find_model, rename, write_tensors
from enfold.values import LabelSet

if TYPE_CHECKING:
    from enfold.models.decoding import Decoding
    from enfold.models.stack import Stack
    from enfold.values import ClassPrediction

__all__ = ["PreTrainedModel"]

log = logging.getLogger("enfold.models")


class PreTrainedModel(nn.Module):
    """The root of all models. Concrete classes, such as ``BertModel``, are made by the registry in ``models.auto``.

    Attributes:
        has_two_stacks: whether an encoder reads and a decoder writes.
        shifts_labels: whether a label is compared with the scores at the place before it.
        config: the settings, as ``config.json`` holds them.
        loading_report: what ``from_pretrained`` initialised anew and left unused.
        revision: which weights these are; empty for a model that was not read from anywhere.
    """

    family: ClassVar[Family]
    config_class: ClassVar[type[PreTrainedConfig]]
    base_model_prefix: ClassVar[str]
    suffix: ClassVar[str] = ""
    has_two_stacks: ClassVar[bool] = False
    shifts_labels: ClassVar[bool] = False
    main_input_name: ClassVar[str] = "input_ids"

    def __init__(self, config: PreTrainedConfig) -> None:
        """Build the model with new weights; ``from_pretrained`` reads them instead.

        Raises:
            InputError: the config is of another model type.
        """
        super().__init__()
        if not isinstance(config, self.config_class) or config.model_type != self.config_class.model_type:
            raise InputError(f"{type(self).__name__} takes a {self.config_class.__name__}, not {type(config).__name__}")
        self.config = config
        self.loading_report = LoadingReport()
        self._revision = ""
        self._located: Any = None
        self._tokenizer: Any = None
        self._generation_config: Any = None
        if is_skeleton():
            self.build()
            return
        with skeleton():
            self.build()
        self.to_empty(device=torch.get_default_device())
        initialise(self, self.family.spec(config).init_std)
        self.tie_weights()
        if config.dtype is not None:
            self.to(dtype_named(config.dtype))

    def build(self) -> None:
        """Make the modules. Called once, on the meta device."""
        raise NotImplementedError

    @property
    def ties(self) -> dict[str, str]:
        """Parameters that may share another's values: their name to the name that is written."""
        return {}

    @property
    def firm_ties(self) -> dict[str, str]:
        """Those that hold even where the config does not tie."""
        return {}

    def tied(self) -> dict[str, str]:
        """The ties, where the config has them. Quantised scores are a table of their own."""
        ties = self.ties if getattr(self.config, "tie_word_embeddings", True) else self.firm_ties
        scores = self.scores_path
        if scores is not None and isinstance(self.get_submodule(scores), QuantisedLinear):
            return {name: source for name, source in ties.items() if not name.startswith(f"{scores}.")}
        return ties

    @property
    def scores_path(self) -> str | None:
        """Where the map to the vocabulary lies, of a model that writes and has one."""
        return None

    def tie_weights(self) -> None:
        """Make tied parameters one again, after one of them was replaced."""
        for name, source in self.tied().items():
            owner, _, leaf = name.rpartition(".")
            setattr(self.get_submodule(owner), leaf, self.get_parameter(source))

    # ---- reading and writing ------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls,
        reference: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        revision: str | None = None,
        dtype: str | torch.dtype | None = None,
        torch_dtype: str | torch.dtype | None = None,
        format: str | None = None,
        labels: LabelSet | None = None,
        ignore_mismatched_sizes: bool = False,
        **overrides: Any,
    ) -> Self:
        """Read a model, in evaluation mode.

        Args:
            reference: a folder, a GGUF file, or any reference that ``enfold.hub`` knows.
            config: used instead of the folder's ``config.json``; it is not changed.
            revision: of a Hub reference.
            dtype: the precision of the weights, such as ``"bfloat16"``; that of the config or the file where None or
                ``"auto"``.
            torch_dtype: the older name of ``dtype``.
            format: quantise the weights as they are read: ``int8``, or ``int4`` for models that write token by token;
                see ``enfold.compression.quantise``.
            labels: the names of the outputs, in order.
            ignore_mismatched_sizes: initialise a tensor of another shape anew instead of refusing it.
            overrides: keys of ``config.json`` to set, such as ``num_labels``, ``id2label`` or ``hidden_dropout_prob``.

        Raises:
            SourceError: the reference leads nowhere.
            CheckpointError: the folder is not a model of this type, or a tensor is missing, misshapen or cut short.
            InputError: there is less memory than the model needs; both are named.
        """
        if not hasattr(cls, "config_class"):
            raise InputError(f"{cls.__name__} is no model of its own; use AutoModel… or the class of a family")
        located = find_model(reference, revision)
        stored = stored_config(located.path)
        values = quantised.original_config(stored)
        kept = None if values is stored else stored["format"]
        if None not in (kept, format) and kept != format:
            raise InputError(f"{reference} holds {kept} weights; format={format!r} needs those they were made of")
        if labels is not None:
            overrides |= {"id2label": labels.id2label, "label2id": labels.label2id}
        if config is None:
            found = values.get("model_type", cls.config_class.model_type)
            if found != cls.config_class.model_type:
                raise CheckpointError(
                    f"{reference} holds a model of type {found!r}, but {cls.__name__} reads "
                    f"{cls.config_class.model_type!r}; AutoModel… takes the class that fits"
                )
            config = cls.config_class.from_dict(values, **overrides)
        elif isinstance(config, PreTrainedConfig):  # the caller's own stays as it is
            config = type(config).from_dict(config.to_dict(), **overrides)
        with skeleton():
            model = cls(config)
            if kept is not None:
                quantised.make_room(model, stored)
        wanted = dtype if dtype is not None else torch_dtype
        asked = wanted not in (None, "auto") and format is not None
        if wanted in (None, "auto"):
            wanted = config.dtype
        if (asked or kept is not None) and wanted is not None and dtype_named(wanted) != torch.float32:
            raise InputError(
                f"an {kept or format} model computes in float32 around its products; dtype={wanted!r} is not possible"
            )
        precision = None if wanted is None else dtype_named(wanted)
        check_memory(model, str(reference), precision, format if kept is None else None)
        model.loading_report = read_weights(
            model,
            open_tensors(located.path, quantised.weights_file(kept)),
            dtype=precision,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
        )
        if format is not None and kept is None:
            quantised.put_in_format(model, format)
        config.dtype = str(model.dtype).removeprefix("torch.")
        model._located = located
        return model.eval()

    def save_pretrained(self, folder: str | Path, **ignored: Any) -> None:
        """Write ``config.json`` and ``model.safetensors`` into ``folder``, which may be the one it was read from.

        Raises:
            EnfoldError: the disk is full; what stood in the folder is still whole.
        """
        if ignored:
            raise InputError(f"save_pretrained does not take {', '.join(map(repr, ignored))}")
        target = Path(folder)
        format = quantised.format_of(self)
        if format is not None:
            quantised.check_target(target)
        target.mkdir(parents=True, exist_ok=True)
        write_tensors(target, self.tensors_to_write(), quantised.weights_file(format))
        self.config.architectures = [type(self).__name__]
        self.config.dtype = str(self.dtype).removeprefix("torch.")
        if self.generation_config is not None:
            self.generation_config.save_pretrained(target)
        values = self.config.to_json()
        write_json(target / "config.json", values if format is None else quantised.config_to_write(self, values))

    def tensors_to_write(self) -> dict[str, Tensor]:
        """The state dict as files have it, with each shared tensor once."""
        state = self.state_dict()
        for name, source in self.tied().items():
            if name in state and source in state and state[name].data_ptr() == state[source].data_ptr():
                del state[name]
        return {rename(name, self.family.written): tensor for name, tensor in state.items()}

    # ---- what users reach for -----------------------------------------------------------------------------------

    @property
    def base_model(self) -> PreTrainedModel:
        """The stack without the head; itself for a model without one."""
        return getattr(self, self.base_model_prefix, self)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the floating parameters."""
        return next(parameter.dtype for parameter in self.parameters() if parameter.is_floating_point())

    @property
    def labels(self) -> LabelSet | None:
        """The names of a classifier's outputs, in order; None for a model that has none."""
        return None

    @property
    def revision(self) -> str:
        """Which weights these are: the commit or hash they were read at."""
        if not self._revision and self._located is not None:
            self._revision = self._located.revision
        return self._revision

    @revision.setter
    def revision(self, revision: str) -> None:
        self._revision = revision

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the folder the model was read from, or the one that was set.

        Raises:
            InputError: the model was not read from a folder and none was set.
        """
        if self._tokenizer is None:
            if self._located is None:
                raise InputError("this model has no tokenizer: set model.tokenizer = Tokenizer.from_pretrained(…)")
            from enfold.text import Tokenizer

            self._tokenizer = Tokenizer.from_pretrained(self._located.path)
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def predict(self, texts: str | Sequence[str]) -> list[ClassPrediction]:
        """Classify texts with the model's own tokenizer: one prediction each."""
        from enfold.pipelines import TextClassificationPipeline

        return TextClassificationPipeline(self, self.tokenizer)(texts)

    def generate(self, inputs: Any = None, generation_config: Any = None, **arguments: Any) -> Any:
        """Write on from token ids, (batch, seq); see ``enfold.generation.generate_compatible``."""
        from enfold.generation import generate_compatible

        return generate_compatible(self, inputs, generation_config, **arguments)

    @property
    def generation_config(self) -> Any:
        """How the model's folder says it writes, a ``GenerationConfig``; None where it says nothing of its own."""
        if self._generation_config is None and self._located is not None:
            folder = self._located.path
            if (folder / "generation_config.json").is_file():
                from enfold.generation import GenerationConfig

                self._generation_config = GenerationConfig.from_pretrained(folder)
        return self._generation_config

    @generation_config.setter
    def generation_config(self, config: Any) -> None:
        self._generation_config = config

    def begin_decoding(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        encoder_ids: Sequence[Sequence[int]] | None = None,
        room: int = 0,
    ) -> Decoding:
        """Read prompts and stand ready to write on; see ``enfold.models.decoding``."""
        from enfold.models.decoding import Decoding

        return Decoding(self, prompts, encoder_ids=encoder_ids, room=room)

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether the model reads with one stack and writes with another."""
        return self.has_two_stacks

    @property
    def vocabulary(self) -> int:
        """How many token ids the model may write; those it reads, where it does not write."""
        output = self.get_output_embeddings()
        return self.encoder_vocabulary if output is None else output.out_features

    @property
    def encoder_vocabulary(self) -> int:
        """How many token ids the model reads, which of a pair with two vocabularies are the encoder's."""
        return self.get_input_embeddings().num_embeddings

    @property
    def context_length(self) -> int | None:
        """The longest row the model reads or writes; None where it knows no bound."""
        spec = self.family.spec(self.config)
        stack = spec.decoder if isinstance(spec, PairSpec) else spec
        if stack.positions is not None:
            return stack.positions.capacity - stack.first_place
        rotary = [own.rotary for own in map(stack.attention_of, range(stack.depth)) if own.rotary is not None]
        return min((own.reach for own in rotary), default=None)

    def shown(self, hidden_states: bool | None, attentions: bool | None) -> dict[str, bool]:
        """What a call shows besides its result: as asked, or as the config says."""
        config = self.config
        return {
            "hidden_states": bool(config.output_hidden_states if hidden_states is None else hidden_states),
            "attentions": bool(config.output_attentions if attentions is None else attentions),
        }

    def num_parameters(self, only_trainable: bool = False) -> int:
        """How many numbers the model holds; shared ones count once."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not only_trainable)

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of word vectors."""
        return self.base_model.get_input_embeddings()

    def set_input_embeddings(self, table: nn.Embedding) -> None:
        """Put another table of word vectors in place."""
        self.base_model.set_input_embeddings(table)

    def get_output_embeddings(self) -> nn.Linear | None:
        """The linear map from hidden states to vocabulary scores, where the model has one."""
        return None

    def set_output_embeddings(self, decoder: nn.Linear) -> None:
        """Put another map to vocabulary scores in place, where the model has one."""
        raise InputError(f"{type(self).__name__} has no map to vocabulary scores")

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Change the number of word vectors, after tokens were added to the tokenizer.

        Args:
            new_num_tokens: how many there will be; the present number where None.
            pad_to_multiple_of: round that number up to a multiple of this.
            mean_resizing: start new vectors at the mean of the old ones, so that they neither attract nor repel; drawn
                at random like new weights where False.

        Returns:
            The table of word vectors that is now in place.
        """
        resize_words(
            self,
            self.get_input_embeddings(),
            self.set_input_embeddings,
            new_num_tokens,
            pad_to_multiple_of,
            at_mean=mean_resizing,
            scored=self.scores_what_it_reads,
        )
        return self.get_input_embeddings()

    @property
    def scores_what_it_reads(self) -> bool:
        """Whether words that are read and words that are scored are the same; not of two separate vocabularies."""
        spec = self.family.spec(self.config)
        return not isinstance(spec, PairSpec) or spec.shared is not None or not self.is_encoder_decoder

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: dict[str, Any] | None = None) -> None:
        """Keep only each block's input in training and compute the rest again in backward: less memory, more time."""
        unknown = set(gradient_checkpointing_kwargs or {}) - {"use_reentrant"}
        if unknown:
            raise InputError(f"gradient checkpointing does not take {', '.join(map(repr, sorted(unknown)))}")
        self._checkpoint(True)

    def gradient_checkpointing_disable(self) -> None:
        """Keep all activations again."""
        self._checkpoint(False)

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether activations are computed again in backward."""
        return any(stack.gradient_checkpointing for stack in self._stacks())

    def _checkpoint(self, whether: bool) -> None:
        for stack in self._stacks():
            stack.gradient_checkpointing = whether

    def _stacks(self) -> list[Stack]:
        from enfold.models.stack import Stack

        return [module for module in self.modules() if isinstance(module, Stack)]
