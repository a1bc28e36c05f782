"""Family files are short and apart, and nothing else knows them."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

import enfold
from enfold.models import families
from enfold.models.auto import known_families

MODELS = Path(enfold.__file__).parent / "models"
FILES = sorted((MODELS / "families").glob("[!_]*.py"))
WINDOW = 6

MODEL_TYPES = """
    bert roberta xlm-roberta camembert distilbert albert electra mpnet flaubert deberta-v2 modernbert
    gpt2 gpt_neox opt llama mistral qwen2 qwen3 gemma
    t5 mt5 bart mbart marian m2m_100 blenderbot blenderbot-small pegasus
""".split()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_model_type_is_known_and_built(model_type: str) -> None:
    config = enfold.AutoConfig.for_model(model_type)
    assert config.model_type == model_type
    assert type(config).from_dict(config.to_dict()) == config


def test_no_file_is_long_and_most_are_short() -> None:
    lines = {file.name: file.read_text(encoding="utf-8").count("\n") for file in FILES}
    assert {name: count for name, count in lines.items() if count > 150} == {}
    assert median(lines.values()) < 90


def test_every_file_defines_one_family_that_the_registry_finds() -> None:
    assert len(known_families()) == len(FILES)
    types = [config.model_type for family in known_families() for config in family.members.values()]
    assert len(types) == len(set(types))
    assert Path(families.__file__).read_text(encoding="utf-8").count("\n") == 1  # it lists none


def test_no_two_files_share_a_block_of_logic() -> None:
    """Six lines of functions and classes in a row; the fields of configs are no logic."""
    seen: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for file in FILES:
        for block in _logic(file):
            for at in range(len(block) - WINDOW + 1):
                seen[tuple(block[at : at + WINDOW])].add(file.name)
    assert {lines: names for lines, names in seen.items() if len(names) > 1} == {}


def _logic(file: Path) -> list[list[str]]:
    text = file.read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    for node in ast.parse(text).body:
        fields = isinstance(node, ast.ClassDef) and any(isinstance(line, ast.AnnAssign) for line in node.body)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not fields:
            own = (line.strip() for line in lines[node.lineno - 1 : node.end_lineno])
            found.append([line for line in own if line and not line.startswith(("#", '"""'))])
    return found


FORMATS = ("gguf.py", "gguf_tables.py")  # that format's own tables name architectures
GENERIC = [
    *(MODELS.parent / "layers").glob("*.py"),
    *(file for file in MODELS.glob("*.py") if file.name not in FORMATS),
]


@pytest.mark.parametrize("file", sorted(GENERIC), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_head_stack_layer_or_loader_mentions_a_family(file: Path) -> None:
    names = {name.lower() for family in known_families() for name in family.members} | set(MODEL_TYPES)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        words = [getattr(node, name, None) for name in ("id", "attr", "name", "arg")]
        if isinstance(node, ast.Constant) and id(node) not in prose:
            words.append(node.value)
        mentioned = [word for word in words if isinstance(word, str) and word.lower() in names]
        assert not mentioned, f"line {node.lineno} mentions {mentioned[0]}"
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("enfold.models.families"), f"line {node.lineno} imports a family"
