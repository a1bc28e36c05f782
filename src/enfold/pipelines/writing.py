"""What pipelines that write share: a model and its tokenizer, options of generation, and batches of prompts.

Prompts are never padded, and each draws its own random numbers, so an answer does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from enfold.errors import InputError
from enfold.pipelines.batching import chunks_of_texts, length_sorted_batches
from enfold.pipelines.reading import checked_texts
from enfold.values import Encoding, WrittenPrediction

if TYPE_CHECKING:
    from enfold.generation import Generated, GenerationConfig, Piece
    from enfold.text import Tokenizer

__all__ = ["Prompt", "WritingPipeline"]

NEW_TOKENS = 256
_CHUNK_TEXTS = 64
_CHUNK_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads before it writes: token ids, and how many of a text were left out."""

    ids: tuple[int, ...]
    cut: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, encoding: Encoding) -> Prompt:
        """All of an encoding."""
        return cls(encoding.ids, sum(part.tokens for part in encoding.cut))


class WritingPipeline:
    """A model that writes, and its tokenizer.

    Args:
        model: a model with a head that scores the vocabulary.
        tokenizer: the tokenizer the model was trained with.
        max_tokens: tokens that are read at a time, over all prompts of a batch.
        options: of generation, as ``GenerationConfig`` has them (``max_new_tokens``, ``num_beams``, ``temperature``,
            …); they hold for every call that does not say otherwise.

    Raises:
        InputError: the model reads but does not write, or an option is not known.
    """

    task: ClassVar[str]
    heads: ClassVar[str]
    """What a model must have, in words."""
    writes_anew: ClassVar[bool]
    """Whether an encoder reads the text and a decoder writes another; else the text is continued."""

    def __init__(self, model: Any, tokenizer: Tokenizer, *, max_tokens: int = 4096, **options: Any) -> None:
        pair = getattr(model, "is_encoder_decoder", False)
        if not hasattr(model, "vocabulary_scores") or pair != self.writes_anew:
            raise InputError(f"{self.task} needs {self.heads}; this model is a {type(model).__name__}")
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens} must be at least 1")
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._options = options
        self.config()  # an option that is not known is found here

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        truncation: bool = False,
        seed: int | Sequence[int] | None = None,
        constraint: Any = None,
        **options: Any,
    ) -> list[Any]:
        """Write from texts; always a list, in the order of the texts.

        Args:
            texts: one text or several.
            truncation: read only as much of a text as the model can; ``cut`` says how much was left out.
            seed: of ``do_sample``; one for all or one for each. The same seed gives the same text.
            constraint: what the output must match, see ``enfold.generation.Constraint``.
            options: of generation (``max_new_tokens``, ``temperature``, ``stop_strings``, …), for this call.

        Raises:
            InputError: a text is too long, or options are not known or contradict each other.
        """
        prompts = self.encode(list(checked_texts([texts] if isinstance(texts, str) else texts)), truncation)
        written = self.write(prompts, options, seed=seed, constraint=constraint)
        return [
            WrittenPrediction(**self.about(prompt, sequences))
            for prompt, sequences in zip(prompts, written, strict=True)
        ]

    def encode(self, texts: Sequence[str], truncation: bool = False) -> list[Prompt]:
        """Texts as the model reads them."""
        raise NotImplementedError

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options of generation that may be given with the pipeline."""
        from enfold.generation.config import field_names

        return tuple(field_names())

    @property
    def revision(self) -> str:
        """Revision of the model, as every prediction carries it."""
        return str(self.model.revision)

    @property
    def context_length(self) -> int | None:
        """The longest row the model reads, or reads and writes; None where it knows no bound."""
        known = [self.model.context_length, self.tokenizer.model_max_length]
        bounds = [length for length in known if length is not None and length < 1 << 30]
        return min(bounds, default=None)

    def config(self, **options: Any) -> GenerationConfig:
        """The options of this pipeline with those of one call; 256 new tokens where nothing says how many.

        Raises:
            InputError: there is no such option.
        """
        from enfold.generation import GenerationConfig

        config = GenerationConfig().updated(**{**self._options, **options})
        own = self.model.generation_config or GenerationConfig.from_model_config(self.model.config)
        lengths = ("max_new_tokens", "max_length")
        if all(getattr(one, name) is None for one in (config, own) for name in lengths):
            config = config.updated(max_new_tokens=NEW_TOKENS)
        return config

    def write(
        self,
        prompts: Sequence[Prompt],
        options: dict[str, Any],
        *,
        seed: int | Sequence[int] | None = None,
        on_piece: Callable[[Piece], None] | None = None,
        **more: Any,
    ) -> list[list[Generated]]:
        """Write from each prompt, in batches of like length; results in the order of the prompts.

        Args:
            prompts: what is read.
            options: of generation, for this call.
            seed: of sampling, one for all or one for each.
            on_piece: called with each piece as it comes; pieces name the prompt by its place in ``prompts``.
            more: further arguments of ``enfold.generation.generate``.
        """
        from enfold.generation import generate

        config = self.config(**options)
        self._check_lengths(prompts)
        seeds: list[Any] = [seed] * len(prompts) if seed is None or isinstance(seed, int) else list(seed)
        if len(seeds) != len(prompts):
            raise InputError(f"{len(seeds)} seeds for {len(prompts)} texts: give one, or one for each")
        results: list[Any] = [None] * len(prompts)
        for batch in length_sorted_batches([len(own) for own in prompts], max_tokens=self.max_tokens):
            ids = [prompts[place].ids for place in batch]
            own_seeds = None if seed is None else [seeds[place] for place in batch]

            def pass_on(piece: Piece, batch: Sequence[int] = batch) -> None:
                assert on_piece is not None
                on_piece(replace(piece, prompt=batch[piece.prompt]))

            written = generate(
                self.model,
                None if self.writes_anew else ids,
                config,
                encoder_ids=ids if self.writes_anew else None,
                seeds=own_seeds,
                decode=self.decode,
                on_piece=None if on_piece is None else pass_on,
                **more,
            )
            for place, sequences in zip(batch, written, strict=True):
                results[place] = sequences
        return results

    def stream(self, texts: Iterable[str], **options: Any) -> Iterator[Any]:
        """Answer texts as they come, in order and in bounded memory; up to 64 are read ahead."""
        for chunk in chunks_of_texts(texts, max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            yield from self(chunk, **options)

    def written_from(
        self, prompt: Prompt, options: dict[str, Any], *, seed: int | None = None, **more: Any
    ) -> Iterator[Piece]:
        """Write from one prompt, piece by piece as whole characters come."""
        from enfold.generation import stream

        self._check_lengths([prompt])
        return stream(
            self.model,
            None if self.writes_anew else [prompt.ids],
            self.config(**options),
            encoder_ids=[prompt.ids] if self.writes_anew else None,
            seeds=seed,
            decode=self.decode,
            **more,
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Ids as text, without special tokens."""
        text: str = self.tokenizer.target.decode(list(ids), skip_special_tokens=True)
        return text

    def about(self, prompt: Prompt, sequences: Sequence[Generated], *, windows: int = 1) -> dict[str, Any]:
        """What every prediction says of how it came about."""
        texts = tuple(self._text(one) for one in sequences)
        return {
            "model": self.revision,
            "tokens": len(prompt),
            "windows": windows,
            "cut": prompt.cut,
            "text": texts[0],
            "texts": texts,
            "finish_reason": sequences[0].finish_reason,
            "new_tokens": len(sequences[0].ids),
        }

    def _text(self, generated: Generated) -> str:
        return generated.text if generated.text is not None else self.decode(generated.ids)

    def _check_lengths(self, prompts: Sequence[Prompt]) -> None:
        longest = self.context_length
        for number, prompt in enumerate(prompts):
            if longest is not None and len(prompt) > longest:
                raise InputError(
                    f"text {number} has {len(prompt)} tokens, but the model reads {longest}: shorten it, or cut it "
                    "with truncation=True"
                )
