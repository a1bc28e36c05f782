"""The ``enfold`` command: its groups put together, and errors turned into one clear line."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, NoReturn

import typer

from enfold import __version__
from enfold.cli import bench, chat, convert, export, feedback, hub, loop, predict, push, serve, shortcuts
from enfold.errors import EnfoldError

app = typer.Typer(
    name="enfold",
    help="The whole transformer loop on your own machine: from a file of labelled text to a served model that "
    "learns from its corrections.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
loop.register(app)
predict.register(app)
shortcuts.register(app)
serve.register(app)
feedback.register(app)
convert.register(app)
export.register(app)
bench.register(app)
chat.register(app)
hub.register(app)
push.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"enfold {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""


def run() -> NoReturn:
    """Run the command line; bad input is one line on standard error and exit status 2."""
    try:
        app()
    except EnfoldError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        name = f"{error.filename}: " if error.filename else ""
        hint = "; free some space and run it again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        _fail(f"{name}{(error.strerror or str(error)).lower()}{hint}")
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    run()
