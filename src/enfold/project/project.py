"""A project: a folder with ``enfold.toml``, and the loop carried out in it.

enfold.toml       the settings
runs/             results of the stages, each under a key made of what went in
models/           every finished model, by revision; ``serving.json`` says which is in service
splits.parquet    which text is in which split, for good
feedback.db       predictions of the service and what users said of them
improvements/     a record of every ``improve``, with its reasons
report.html       the report on the newest model
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from enfold.errors import SettingsError
from enfold.files import atomic_file, read_json, write_json
from enfold.project.promotion import Promotion, ServiceRecord
from enfold.project.settings import FILE_NAME, Settings, read_settings, settings_text
from enfold.values import ClassPrediction, LabelSet

if TYPE_CHECKING:
    from enfold.feedback import FeedbackStore
    from enfold.pipelines import TextClassificationPipeline
    from enfold.project.build import Build
    from enfold.project.forget import ProjectForgotten
    from enfold.project.improve import Improvement


class Project:
    """The loop in one folder; every method is a command of the same name.

    Args:
        folder: of the project; it holds ``enfold.toml``.
        settings: what is in that file.
        console: where progress is told; ``Console(quiet=True)`` for nowhere.
    """

    def __init__(self, folder: Path, settings: Settings, *, console: Console | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.console = console or Console()
        self.service = ServiceRecord(folder / "models")

    @classmethod
    def open(cls, folder: str | Path = ".", *, console: Console | None = None) -> Project:
        """Open the project in a folder.

        Raises:
            SettingsError: there is no ``enfold.toml``, or it holds faults; all are listed.
        """
        return cls(Path(folder), read_settings(Path(folder) / FILE_NAME), console=console)

    @classmethod
    def init(
        cls,
        file: str,
        folder: str | Path = ".",
        *,
        text: str | None = None,
        label: str | None = None,
        console: Console | None = None,
    ) -> Project:
        """Look at a file of labelled text and write ``enfold.toml``.

        Args:
            file: a path or another data reference.
            folder: of the project, made if it is not there.
            text: column that holds the text, where it cannot be told.
            label: column that holds the label, where it cannot be told.
            console: where to tell what was found.

        Raises:
            SettingsError: the folder is a project already.
            DataError: the file cannot be read, or its columns cannot be told apart.
            SourceError: there is no such file.
        """
        from enfold.project.look import look

        project = Path(folder)
        if (project / FILE_NAME).exists():
            raise SettingsError(f"{project / FILE_NAME} is there already; edit it, or delete it to begin anew")
        settings, findings = look(file, project, text=text, label=label)
        project.mkdir(parents=True, exist_ok=True)
        with atomic_file(project / FILE_NAME) as temporary:
            temporary.write_text(settings_text(settings), encoding="utf-8")
        opened = cls(project, settings, console=console)
        for finding in findings:
            opened.console.print(finding, highlight=False, markup=False)
        opened.console.print(f"wrote {project / FILE_NAME}; next: enfold run", highlight=False, markup=False)
        return opened

    @property
    def labels(self) -> LabelSet:
        """The labels of the project, in the order of the model's outputs."""
        return LabelSet(tuple(self.settings.data.labels))

    def run(self, *, publish: str | None = None, private: bool = False) -> Build:
        """Prepare, train, evaluate, compress, report; what has not changed is not done again.

        The first model goes into service. A later one, after a change of settings or data, takes its place if it is
        not worse on the test set; otherwise it waits for ``promote``. What the model in service has learnt from
        corrections is trained on again, but for what was forgotten since.

        Args:
            publish: ``owner/name`` on a Hub: the model is pushed there, whether or not it goes into service.
            private: whether a repository that is made for it can be seen by its owners only.

        Raises:
            SourceError: the repository cannot be written; what can be known of that is said before anything is done.
        """
        from enfold.project.build import build
        from enfold.project.candidate import compare_on_test
        from enfold.project.improve import learnt_corrections

        if publish is not None:
            from enfold.hub.pushing import check_target

            check_target(publish, private=private)
        served = self.service.revision()
        made = build(
            self.folder, self.settings, console=self.console, previous=served, corrections=learnt_corrections(self)
        )
        if served is None:
            self.service.promote(made.revision, reason="the first model of the project")
            verdict = f"Model {made.revision} is in service: it is the first of this project."
        elif served == made.revision:
            verdict = f"Model {made.revision} is in service."
        elif self.service.was_served(made.revision):
            verdict = (
                f"Model {served} stays in service: {made.revision} was there before, and was taken out. "
                f"To put it back: enfold promote {made.revision}"
            )
        else:
            judged = compare_on_test(self.folder, self.settings, made, served=served, labels=self.labels)
            if judged.promote:
                self.service.promote(made.revision, reason="; ".join(judged.reasons))
                verdict = f"Model {made.revision} takes the place of {served}: {judged.reasons[0]}."
            else:
                verdict = (
                    f"Model {served} stays in service: {judged.reasons[0]}. "
                    f"To decide otherwise: enfold promote {made.revision}"
                )
        self._report(made, verdict)
        if publish is not None:
            self._publish(made, publish, private=private)
        return made

    def pipeline(self, revision: str | None = None) -> TextClassificationPipeline:
        """The model in service, or another one of the project, ready to answer.

        Raises:
            ServiceError: there is none yet.
        """
        from enfold.project.score import load_model

        folder = self.service.folder(revision)
        return load_model(folder, folder.name)

    def predict(self, texts: str | Sequence[str]) -> list[ClassPrediction]:
        """Label texts with the model in service; a program that asks often keeps a `pipeline`."""
        return self.pipeline()(texts)

    def feedback(self) -> FeedbackStore:
        """The database of predictions and of what users said of them."""
        from enfold.feedback import FeedbackStore

        return FeedbackStore(self.settings.serving.database or self.folder / "feedback.db")

    def serve(self, *, host: str | None = None, port: int | None = None, api_key: str | None = None) -> None:
        """Serve the model over HTTP until told to stop; a promotion meanwhile swaps it without a dropped request.

        Raises:
            ServiceError: there is no model, or the port is taken.
            SettingsError: another address than loopback without an API key.
        """
        from enfold.project.service import serve

        serve(self, host=host, port=port, api_key=api_key)

    def improve(self, *, review: bool = False) -> Improvement:
        """Retrain with the corrections; promote the candidate only if it is measurably better.

        Args:
            review: decide, but leave the promotion to a person.

        Raises:
            ServiceError: no model is in service yet.
        """
        from enfold.project.improve import improve

        return improve(self, review=review)

    def promote(self, revision: str) -> Promotion:
        """Put a model in service by hand.

        Raises:
            ServiceError: there is no such model.
        """
        step = self.service.promote(revision, reason="by hand")
        self.console.print(f"model {revision} is in service", highlight=False)
        return step

    def rollback(self) -> Promotion:
        """Put the model back that was in service before.

        Raises:
            ServiceError: there is nothing before it.
        """
        step = self.service.rollback()
        self.console.print(f"model {step.revision} is in service again ({step.reason})", highlight=False)
        return step

    def forget(self, user: str) -> ProjectForgotten:
        """Remove one user's texts from the database and from every file the project made.

        Returns:
            Where they were, and which models were trained on them.
        """
        from enfold.project.forget import forget

        return forget(self, user)

    def note_output(self, path: str | Path) -> None:
        """Remember a file of texts that was written for this project, so that `forget` looks into it too."""
        known = read_json(self.outputs) if self.outputs.is_file() else []
        place = str(Path(path).resolve())
        if place not in known:
            write_json(self.outputs, [*known, place])

    @property
    def outputs(self) -> Path:
        """The list of files that `note_output` keeps."""
        return self.folder / "runs" / "outputs.json"

    def _publish(self, made: Build, repository: str, *, private: bool) -> None:
        from enfold.project.publication import publish_model

        done = publish_model(
            made.folder,
            repository,
            project=self.folder,
            settings=self.settings,
            lineage=made.lineage,
            report=made.report,
            private=private,
        )
        what = "unchanged" if done.commit is None else f"commit {done.commit}"
        self.console.print(f"published: {done.url}, {what}", highlight=False, markup=False, soft_wrap=True)

    def _report(self, made: Build, verdict: str) -> None:
        from enfold.project.build import write_page

        path = self.folder / "report.html"
        write_page(path, made, title=self.settings.project.name, verdict=verdict)
        self.console.print(verdict, highlight=False, markup=False)
        self.console.print(f"report: {path}", highlight=False, markup=False)
