"""``enfold predict --task`` and ``enfold translate`` for tasks that write, on files, with tiny models made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import transformers
from text_kinds import FOLDERS, marian
from typer.testing import CliRunner

import enfold
from enfold.cli.main import app
from enfold.errors import EnfoldError, InputError
from enfold.text import tokenizer_class

SMALL = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
SMALL |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
TEXTS = ["All human beings are born free.", "They are equal.\n\nIn dignity."]


def run(*arguments: Any) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and isinstance(result.exception, EnfoldError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("writing")
    marian(root / "marian")
    FOLDERS["RobertaTokenizer"](root / "bart")
    kinds = {
        "marian": (transformers.MarianConfig, transformers.MarianMTModel, "MarianTokenizer"),
        "bart": (transformers.BartConfig, transformers.BartForConditionalGeneration, "RobertaTokenizer"),
    }
    for name, (config, model, kind) in kinds.items():
        tokenizer: Any = tokenizer_class(kind)
        ours = tokenizer.from_pretrained(root / name)
        ids = {"eos_token_id": ours.eos_token_id, "pad_token_id": ours.pad_token_id}
        start = ours.pad_token_id if name == "marian" else ours.eos_token_id
        model(config(vocab_size=len(ours), **SMALL, **ids, decoder_start_token_id=start)).save_pretrained(root / name)
        ours.save_pretrained(root / name)
    return {name: root / name for name in kinds}


def test_a_table_is_translated_row_by_row(folders: dict[str, Path], tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    pl.DataFrame({"text": TEXTS}).write_csv(table)
    output = tmp_path / "translated.parquet"
    run("translate", table, "--model", folders["marian"], "--from", "en", "--to", "German", "-o", output)
    found = pl.read_parquet(output)
    assert found["text"].to_list() == TEXTS
    assert found["windows"].to_list() == [1, 2]
    expected = enfold.pipeline("translation", folders["marian"], source="en", target="de")(TEXTS)
    assert found["written"].to_list() == [one.text for one in expected]


def test_lines_for_programs_and_text_for_people(folders: dict[str, Path], tmp_path: Path) -> None:
    table = tmp_path / "texts.jsonl"
    table.write_text(json.dumps({"text": TEXTS[0]}) + "\n", encoding="utf-8")
    arguments = ("--task", "summarization", "--model", folders["bart"], "--max-new-tokens", 5)
    row = json.loads(run("predict", table, *arguments))
    typed = run("predict", TEXTS[0], *arguments)
    assert typed.rstrip("\n") == row["written"].rstrip("\n")
    assert row["finish_reason"] in ("stop", "length")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "translation", "--from", "en"], "--task translation needs --to"),
        (["--task", "summarization", "--from", "en"], "--from does not go with --task summarization"),
        (["--task", "chat"], "a conversation needs turns: enfold chat MODEL holds one"),
        (["--task", "translation", "--from", "en", "--to", "xx"], "no language 'xx'"),
    ],
)
def test_what_does_not_go_is_one_line(folders: dict[str, Path], arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run("predict", "a text", "--model", folders["marian"], *arguments)
