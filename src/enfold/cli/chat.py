"""``enfold chat``: a conversation in the terminal, the replies as they are written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

_HELP = "/forget begins again, /quit ends (so does the end of input)."


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(chat)


def chat(
    model: Annotated[str, typer.Argument(help="A model made for chat: a folder, a GGUF file or any reference.")],
    system: Annotated[str | None, typer.Option(help="What the model is told before everything else.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a reply at most.")] = 512,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 always takes the likeliest token; higher is more varied.")
    ] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Draw among the likeliest tokens up to this.")] = 0.95,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn; the same seed gives the same replies.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Precision of the weights, such as bfloat16.")] = None,
    format: Annotated[str | None, typer.Option(help="Weights in fewer bits: int8 or int4, which is faster.")] = None,
) -> None:
    """Talk with a model. Lines come from the terminal or from standard input, replies go to standard output.

    The history goes along, as far as it fits the model's context; what no longer fits is said.
    """
    from enfold.models import AutoModelForCausalLM
    from enfold.pipelines.chat import ChatPipeline, Conversation
    from enfold.text import AutoTokenizer

    options: dict[str, Any] = {"max_new_tokens": max_new_tokens}
    if temperature > 0:
        options |= {"do_sample": True, "temperature": temperature, "top_p": top_p}
    pipeline = ChatPipeline(
        AutoModelForCausalLM.from_pretrained(model, dtype=dtype, format=format), AutoTokenizer.from_pretrained(model)
    )
    talk = Conversation(pipeline, system=system, **options)
    asked = sys.stdin.isatty()
    if asked:
        print(_HELP, file=sys.stderr)
    for number, line in enumerate(_lines(asked)):
        if line == "/forget":
            talk.forget()
        elif line:
            _answer(talk, line, None if seed is None else seed + number)


def _lines(asked: bool) -> Iterator[str]:
    """What is said, line by line, until ``/quit`` or the end."""
    while True:
        if asked:
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line or line.strip() == "/quit":
            if asked and not line:
                print(file=sys.stderr)
            return
        yield line.strip()


def _answer(talk: Any, line: str, seed: int | None) -> None:
    """Say a line and print the reply as it comes."""
    from enfold.values import ChatReply

    for part in talk.pieces(line, seed=seed):
        if not isinstance(part, ChatReply):
            print(part, end="", flush=True)
            continue
        print(flush=True)
        if part.forgotten:
            print(f"(the first {part.forgotten} messages no longer fit and were not read)", file=sys.stderr)
        if part.finish_reason == "length":
            print("(the reply was cut off at --max-new-tokens)", file=sys.stderr)
