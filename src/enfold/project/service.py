"""The project's model and its database, as the server takes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from enfold.project.promotion import ServiceRecord
from enfold.project.score import load_model
from enfold.serving import ServingSettings, create_app
from enfold.serving import serve as serve_application

if TYPE_CHECKING:
    from fastapi import FastAPI

    from enfold.pipelines import TextClassificationPipeline
    from enfold.project.project import Project
    from enfold.project.settings import ServingSettings as Section


class PromotedModel:
    """The model in service, as ``models/serving.json`` says from moment to moment."""

    def __init__(self, models: Path) -> None:
        self._record = ServiceRecord(models)

    def revision(self) -> str:
        """The revision that should be in service now."""
        return self._record.folder().name

    def load(self) -> TextClassificationPipeline:
        """Load it."""
        folder = self._record.folder()
        return load_model(folder, folder.name)


def serve(project: Project, *, host: str | None, port: int | None, api_key: str | None) -> None:
    """Serve a project until told to stop; see `Project.serve`."""
    settings = serving_settings(project.settings.serving, host=host, port=port, api_key=api_key)
    source = PromotedModel(project.folder / "models")
    source.revision()  # say that there is no model before a port is taken

    def create() -> FastAPI:
        return create_app(source, project.feedback(), settings)

    def ready(url: str) -> None:
        project.console.print(
            f"serving model {source.revision()} at {url}; documentation at {url}/docs", highlight=False, soft_wrap=True
        )

    serve_application(create, settings, on_ready=ready)


def serving_settings(section: Section, *, host: str | None, port: int | None, api_key: str | None) -> ServingSettings:
    """The settings of the server, from ``enfold.toml`` and the command line, which has the last word."""
    return ServingSettings(
        host=host or section.host,
        port=section.port if port is None else port,
        api_key=api_key,
        max_body_bytes=section.max_body_bytes,
        max_text_characters=section.max_text_characters,
        max_texts=section.max_texts,
        max_queue=section.max_queue,
        allowed_hosts=tuple(section.allowed_hosts),
    )
