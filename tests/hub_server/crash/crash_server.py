"""`enfold hub serve` that is started again within a moment: a process that has imported everything forks it.

Each line on standard input starts the command; its process id is the answer. What is killed is only the child, which is
the real command in a process of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    import alembic.config  # noqa: F401

    import enfold.hub.server.serving  # noqa: F401
    from enfold.cli.main import run

    errors = Path(sys.argv[1])
    command = sys.argv[2:]
    print("ready", flush=True)
    for _ in sys.stdin:
        while True:  # no zombies
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        child = os.fork()
        if child == 0:
            out = os.open(errors, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.argv = ["enfold", *command]
            run()
        print(child, flush=True)


if __name__ == "__main__":
    main()
