"""The lines that use a repository of this hub: what a reader copies into a shell or a program."""

from __future__ import annotations

import re
from dataclasses import dataclass

from enfold.hub.records.schema import Repository
from enfold.hub.server.paths import RepositoryAddress

__all__ = ["Use", "lines_for"]

_HEAD = re.compile(r"[A-Za-z0-9]+(For[A-Z][A-Za-z]+)")
_OF_TRANSFORMERS = ("transformers", "enfold")
_TASK = re.compile(r"[a-z0-9-]{1,60}")


@dataclass(frozen=True, slots=True)
class Use:
    """One way to use a repository."""

    title: str
    text: str


def lines_for(repository: Repository, base: str) -> list[Use]:
    """How a repository is used, with this hub's own address in it.

    Args:
        repository: which.
        base: the hub's address.
    """
    name = repository.full_name
    flag = "" if repository.type == "model" else f" --repo-type {repository.type}"
    found = [
        Use("For all of them", f"export HF_ENDPOINT={base}"),
        Use("Shell", f"hf download {name}{flag}"),
    ]
    if repository.type == "model":
        found.append(Use("Python", _model(repository)))
    elif repository.type == "dataset":
        found.append(Use("Python", f'from datasets import load_dataset\n\ndata = load_dataset("{name}")'))
    place = RepositoryAddress(repository.type, name).place  # type: ignore[arg-type]
    found.append(Use("git", f"git clone {base}/{place}"))
    return found


def _model(repository: Repository) -> str:
    name, task = repository.full_name, repository.pipeline_tag or ""
    config = repository.config or {}
    if repository.library_name == "enfold" and _TASK.fullmatch(task):
        return f'from enfold import pipeline\n\nanswer = pipeline("{task}", model="{name}")'
    if repository.library_name in _OF_TRANSFORMERS or "model_type" in config:
        architectures = config.get("architectures")
        first = architectures[0] if isinstance(architectures, list) and architectures else ""
        match = _HEAD.fullmatch(first) if isinstance(first, str) else None
        auto = f"AutoModel{match.group(1)}" if match else "AutoModel"
        return (
            f"from transformers import AutoTokenizer, {auto}\n\n"
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")\nmodel = {auto}.from_pretrained("{name}")'
        )
    return f'from huggingface_hub import snapshot_download\n\nfolder = snapshot_download("{name}")'
