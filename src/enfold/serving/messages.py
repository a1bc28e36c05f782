"""What goes over the wire: the bodies of requests and answers, as the OpenAPI page describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from enfold.values import ClassPrediction

__all__ = [
    "FeedbackRequest",
    "FeedbackResponse",
    "HealthResponse",
    "Judgement",
    "PredictRequest",
    "PredictResponse",
    "PredictionMessage",
]


def _storable(value: str) -> str:
    """A name a database can keep."""
    if not value:
        raise ValueError("is empty")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("holds half of a surrogate pair, which is no character")
    return value


User = Annotated[
    str,
    AfterValidator(_storable),
    Field(max_length=200, description="Who asks; kept with the text, so that it can be forgotten."),
]
_Id = Annotated[str, AfterValidator(_storable), Field(max_length=64, description="The `id` of the prediction.")]
_Label = Annotated[
    str, AfterValidator(_storable), Field(max_length=1000, description="The right label; give this or `kind`.")
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PredictRequest(_Request):
    """One text, or several."""

    text: str | None = Field(None, description="One text; give this or `texts`.")
    texts: list[str] | None = Field(None, description="Several texts; give this or `text`.")
    user: User | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "You have won a prize! Call now."},
                {"texts": ["See you at six?", "You have won a prize!"], "user": "ada"},
            ]
        }
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> PredictRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self


class PredictionMessage(BaseModel):
    """What the model says of one text."""

    id: str = Field(description="Give it with feedback.", examples=["5b1ff2a0c77e4b6fb1a0a4f8d3ab2f10"])
    label: str = Field(description="The most probable label.", examples=["spam"])
    score: float = Field(description="Probability of `label`.", examples=[0.98])
    scores: dict[str, float] = Field(description="Probability of every label.", examples=[{"ham": 0.02, "spam": 0.98}])
    model: str = Field(description="Revision of the model that answered.", examples=["3f9c1f20"])
    tokens: int = Field(description="Tokens of the text, special tokens included.", examples=[11])
    windows: int = Field(description="Windows it was read through; more than 1 for a long text.", examples=[1])
    cut: int = Field(description="Tokens that were not read; always 0 here, where nothing is cut.", examples=[0])

    @classmethod
    def of(cls, prediction: ClassPrediction) -> PredictionMessage:
        """A prediction as it is sent; built unchecked, since it comes from here."""
        return cls.model_construct(
            id=prediction.id,
            label=prediction.label,
            score=prediction.score,
            scores=prediction.scores,
            model=prediction.model,
            tokens=prediction.tokens,
            windows=prediction.windows,
            cut=prediction.cut,
        )


class PredictResponse(BaseModel):
    """One prediction a text, in the order of the texts."""

    predictions: list[PredictionMessage]


class Judgement(_Request):
    """What a user says of one prediction: right, wrong, or the label that would have been right."""

    prediction_id: _Id
    kind: Literal["right", "wrong"] | None = Field(None, description="Give this or `label`.")
    label: _Label | None = None
    user: User | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Judgement:
        if (self.kind is None) == (self.label is None):
            raise ValueError("give either kind ('right' or 'wrong') or the right label")
        return self


class FeedbackRequest(_Request):
    """One judgement, or several under `feedback`."""

    prediction_id: _Id | None = None
    kind: Literal["right", "wrong"] | None = Field(None, description="Give this or `label`.")
    label: _Label | None = None
    feedback: list[Judgement] | None = Field(None, min_length=1, description="Several judgements at once.")
    user: User | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prediction_id": "5b1ff2a0c77e4b6fb1a0a4f8d3ab2f10", "label": "ham", "user": "ada"},
                {"feedback": [{"prediction_id": "5b1ff2a0c77e4b6fb1a0a4f8d3ab2f10", "kind": "right"}]},
            ]
        }
    )

    @model_validator(mode="after")
    def _one_or_many(self) -> FeedbackRequest:
        if self.feedback is not None:
            if self.prediction_id or self.kind or self.label:
                raise ValueError("give either one judgement or several under feedback")
        elif self.prediction_id is None:
            raise ValueError("give prediction_id, or several judgements under feedback")
        elif (self.kind is None) == (self.label is None):
            raise ValueError("give either kind ('right' or 'wrong') or the right label")
        return self

    def judgements(self) -> list[Judgement]:
        """The judgements, each with the user it comes from."""
        if self.feedback is None:
            assert self.prediction_id is not None
            return [Judgement(prediction_id=self.prediction_id, kind=self.kind, label=self.label, user=self.user)]
        return [
            judgement if judgement.user else judgement.model_copy(update={"user": self.user})
            for judgement in self.feedback
        ]


class FeedbackResponse(BaseModel):
    """How many judgements were kept."""

    accepted: int = Field(examples=[1])


class ModelHealth(BaseModel):
    """The model in service."""

    revision: str = Field(description="As predictions carry it.")
    labels: list[str]
    loaded_at: datetime
    failure: str | None = Field(None, description="Why a newer model could not be loaded; the old one goes on.")


class QueueHealth(BaseModel):
    """What waits."""

    texts: int
    characters: int
    max_texts: int
    max_characters: int


class HealthResponse(BaseModel):
    """Whether the server answers, and with what."""

    status: Literal["ok", "degraded"] = Field(description="`degraded`: it answers, but something needs a person.")
    version: str = Field(description="Version of Enfold.")
    uptime_seconds: float
    model: ModelHealth
    queue: QueueHealth
