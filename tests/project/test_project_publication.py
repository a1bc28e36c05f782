"""``enfold run --publish``: what arrives on a hub, and what never leaves this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from huggingface_hub import HfApi, ModelCard
from rich.console import Console

from enfold import Project
from enfold.errors import SourceError
from enfold.hub.records import Records, accounts, tokens
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HfApi]:
    root = tmp_path / "hub"
    with background_hub(HubSettings(root=root, port=0, drain_seconds=2)) as url:
        records = Records(root / "hub.sqlite")
        with records.write() as session:
            held = tokens.create_token(session, accounts.create_user(session, "alice"), "test")
            accounts.create_user(session, "bob")
        records.close()
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", held)
        yield HfApi(endpoint=url, token=held)


def test_a_model_is_published_with_its_card_scores_and_lineage(
    project: Project, hub: HfApi, tmp_path: Path, base: Path
) -> None:
    settings = project.folder / "enfold.toml"
    text = re.sub(r"(?m)^# license = .*", 'license = "apache-2.0"', settings.read_text())
    text = re.sub(r"(?m)^language = .*?(?=  #)", 'language = ["en"]', text)
    text = re.sub(r"(?m)^trusted = .*?(?=  #)", 'trusted = ["somebody-known"]', text)
    text = re.sub(r"(?m)^# database = .*", 'database = "postgresql://someone:a-password@host/name"', text)
    settings.write_text(text)
    opened = Project.open(project.folder, console=Console(quiet=True))
    made = opened.run(publish="alice/spam", private=True)

    info = hub.model_info("alice/spam")
    assert (info.private, info.pipeline_tag, info.library_name) == (True, "text-classification", "enfold")
    assert {"license:apache-2.0", "en", "transformers"} <= set(info.tags or [])
    folder = Path(hub.snapshot_download("alice/spam", cache_dir=tmp_path / "cache"))
    card = ModelCard.load(folder / "README.md")
    scores = {each.metric_type: each.metric_value for each in card.data.eval_results or []}
    assert scores["accuracy"] == pytest.approx(made.report["accuracy"].value, abs=1e-5)
    accuracy = made.report["accuracy"]
    assert f"| accuracy | {accuracy.value:.4f} | {accuracy.low:.4f} | {accuracy.high:.4f} |" in card.text

    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["revision"] == made.lineage.revision
    assert lineage["seed"] == 17
    assert lineage["settings"]["training"]["epochs"] == 6
    assert lineage["data"]["kind"] == lineage["base"]["kind"] == "local"
    assert made.lineage.data.endswith(f"({lineage['data']['revision']})")
    assert lineage["versions"]["enfold"] == made.lineage.versions["enfold"]

    rows = pl.read_csv(project.folder / "messages.csv")["text"].to_list()
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors":
            content = path.read_text(encoding="utf-8")
            for private in (str(tmp_path), str(base), "messages.csv", "a-password", "somebody-known", *rows):
                assert private not in content, (path.name, private)

    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert AutoModelForSequenceClassification.from_pretrained(folder).config.id2label == {0: "ham", 1: "spam"}
    assert len(AutoTokenizer.from_pretrained(folder)("free prize")["input_ids"]) == 4
    assert opened.run(publish="alice/spam", private=True).lineage == made.lineage
    assert len(hub.list_repo_commits("alice/spam")) == 2, "nothing changed, so there is no second commit"


def test_a_repository_that_cannot_be_written_is_said_before_any_work(
    project: Project, hub: HfApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN")
    (project.folder / "report.html").unlink()
    with pytest.raises(SourceError, match="no token for"):
        project.run(publish="alice/spam")
    assert not (project.folder / "report.html").exists()
