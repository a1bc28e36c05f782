"""The routes: what is checked of a request, and what it is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.responses import HTMLResponse, Response
from fastapi.security import HTTPBearer

from enfold.errors import EnfoldError, LabelError, UnknownPrediction
from enfold.serving.docs_page import docs_page
from enfold.serving.jobs import Job
from enfold.serving.messages import (
    FeedbackRequest,
    FeedbackResponse,
    HealthResponse,
    PredictionMessage,
    PredictRequest,
    PredictResponse,
)
from enfold.serving.queue import UnavailableError
from enfold.serving.service import Service
from enfold.serving.settings import ServingSettings
from enfold.values import ClassPrediction
from enfold.web.error_shape import Fault, Problem, described
from enfold.web.metrics import metrics_page

__all__ = ["add_routes"]

_REFUSALS = described(
    s400=("invalid_json", "The body is not JSON, or not UTF-8."),
    s401=("unauthorized", "The API key is missing or wrong."),
    s408=("body_too_slow", "The body took too long to arrive."),
    s413=("body_too_large", "The body is too large."),
    s415=("unsupported_media_type", "The body is not declared as JSON."),
    s421=("unknown_host", "The request names a host this server does not answer for."),
    s422=("unknown_field", "The request is JSON, but not one of these; `field` names what is wrong."),
    s500=("internal_error", "The server failed at this request."),
)
_METRICS_REFUSALS: dict[int | str, dict[str, Any]] = {401: _REFUSALS[401], 421: _REFUSALS[421]}
_MOST_FAULTS = 20
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the routes of ``service`` to ``app``."""
    router = APIRouter()
    settings = service.settings
    # The access layer checks the key; this only says so in the OpenAPI description.
    guarded = [Security(HTTPBearer(auto_error=False))] if settings.api_key is not None else []

    @router.post(
        "/predict",
        summary="Classify one text, or several",
        response_description="One prediction a text, in order; all are recorded.",
        responses=_REFUSALS
        | described(
            s503=("queue_full", "The queue is full, or a prediction could not be kept: wait `Retry-After` seconds."),
        ),
        dependencies=guarded,
    )
    async def predict(body: PredictRequest, request: Request) -> PredictResponse:
        """Every prediction is recorded, with its text, before it is answered; its `id` is what feedback refers to."""
        texts = [body.text] if body.text is not None else body.texts or []
        _check_texts(texts, settings, single=body.text is not None)
        try:
            predictions = await _answer(service.queue.submit(texts, body.user), request)
        except UnavailableError as error:
            raise Problem(503, error.code, str(error), retry_after=error.retry_after) from error
        return PredictResponse(predictions=[PredictionMessage.of(prediction) for prediction in predictions])

    @router.post(
        "/feedback",
        summary="Say whether predictions were right",
        response_description="All judgements were kept.",
        responses=_REFUSALS
        | described(
            s404=("unknown_prediction", "There is no such prediction."),
            s503=("not_recorded", "The judgement could not be kept: wait `Retry-After` seconds."),
        ),
        dependencies=guarded,
    )
    async def feedback(body: FeedbackRequest) -> FeedbackResponse:
        """Judgements are durable when they are answered. Of several, the faulty ones are named and the others kept."""
        judgements = body.judgements()
        if len(judgements) > settings.max_texts:
            message = f"{len(judgements)} judgements in one request; at most {settings.max_texts}"
            raise Problem(422, "too_many_judgements", message, field="feedback")
        outcomes = await service.judge(judgements)
        accepted = outcomes.count(None)
        if accepted < len(outcomes):
            raise _rejected(outcomes, accepted, single=body.feedback is None)
        return FeedbackResponse(accepted=accepted)

    @router.get(
        "/health",
        summary="Whether the server answers, and with which model",
        response_description="It answers; the status says whether all is well.",
    )
    async def health() -> HealthResponse:
        """Open to everyone, also where an API key is set."""
        return service.health()

    @router.get(
        "/metrics",
        summary="Numbers for Prometheus",
        response_description="All series, in the text format Prometheus reads.",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_METRICS_REFUSALS},
        dependencies=guarded,
    )
    async def metrics() -> Response:
        """Requests, queue, batches, model, predictions by label, feedback by kind."""
        return metrics_page(service.metrics.registry)

    @lru_cache(maxsize=1)
    def page() -> str:
        return docs_page(app.openapi())

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page())

    app.include_router(router)


async def _answer(job: Job, request: Request) -> list[ClassPrediction]:
    """Wait for a job's answer, or give the job up when the client leaves first."""
    leaving = asyncio.ensure_future(request.receive())
    leaving.add_done_callback(lambda _: job.answer.cancel())
    try:
        return await job.answer
    except asyncio.CancelledError:
        if leaving.done():
            raise Problem(499, "client_left", "the client left before the answer") from None
        raise
    finally:
        leaving.cancel()


def _check_texts(texts: Sequence[str], settings: ServingSettings, *, single: bool) -> None:
    if not texts:
        raise Problem(422, "no_texts", "texts is empty: give at least one", field="texts")
    if len(texts) > settings.max_texts:
        message = f"{len(texts)} texts in one request; at most {settings.max_texts}: send them in several"
        raise Problem(422, "too_many_texts", message, field="texts")
    faults = []
    for number, text in enumerate(texts):
        field = "text" if single else f"texts.{number}"
        if len(text) > settings.max_text_characters:
            message = f"{field} has {len(text)} characters; at most {settings.max_text_characters}"
            faults.append(Fault(code="text_too_long", message=message, field=field))
        elif not text or text.isspace():
            faults.append(Fault(code="empty_text", message=f"{field} is empty: nothing to classify", field=field))
        elif (found := _NOT_STORABLE.search(text)) is not None:
            what = "a NUL character" if found[0] == "\0" else "half of a surrogate pair, which is no character,"
            message = f"{field} holds {what} at {found.start()}"
            faults.append(Fault(code="invalid_text", message=message, field=field))
    if faults:
        first = faults[0]
        raise Problem(422, first.code, first.message, field=first.field, faults=faults[:_MOST_FAULTS])


def _rejected(outcomes: Sequence[EnfoldError | None], accepted: int, *, single: bool) -> Problem:
    """The answer to judgements of which some were not kept: the first fault's, with all of them listed."""
    faults = []
    statuses = []
    for number, error in enumerate(outcomes):
        if error is None:
            continue
        status, code, part = _cause(error)
        statuses.append(status)
        field = ".".join(filter(None, ["" if single else f"feedback.{number}", part])) or None
        faults.append(Fault(code=code, message=str(error), field=field))
    first = faults[0]
    others = "" if single else f"; {accepted} of {len(outcomes)} judgements were kept"
    return Problem(
        statuses[0],
        first.code,
        first.message + others,
        field=first.field,
        faults=faults[:_MOST_FAULTS],
        retry_after=1 if statuses[0] == 503 else None,
    )


def _cause(error: EnfoldError) -> tuple[int, str, str]:
    """Status, code and faulty field of a judgement that was not kept."""
    if isinstance(error, UnknownPrediction):
        return 404, "unknown_prediction", "prediction_id"
    if isinstance(error, LabelError):
        return 422, "unknown_label", "label"
    return 503, "not_recorded", ""
