"""``enfold convert``: pickled weights to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(convert)


def convert(
    folder: Annotated[Path, typer.Argument(help="Model folder with pytorch_model.bin, whole or in parts.")],
    out: Annotated[Path, typer.Argument(help="Folder to write, with the same files and model.safetensors.")],
) -> None:
    """Rewrite pickled weights as safetensors. Whatever is not plain tensors is refused, so no code is run."""
    from enfold.models.convert import convert_pickles

    done = convert_pickles(folder, out)
    print(f"{done.tensors} tensors written to {done.folder} ({', '.join(done.weights)})")
    for name, other in done.shared.items():
        print(f"{name} is {other} and is written once")
