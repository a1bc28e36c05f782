"""Child processes that read strangers' files: little memory, little time, and not a byte written.

    process = confined(script, "what to do", memory="all", stdin=PIPE, stdout=PIPE)

Run as a program, this file sets the limits and then becomes the script, so that they hold before anything of the
script is loaded. It and the scripts import nothing of Enfold.
"""

from __future__ import annotations

import os
import resource
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

__all__ = ["MEMORY", "SECONDS", "Memory", "confined", "set_limits"]

MEMORY = 512 * 2**20
"""Bytes of memory that a child may have."""
SECONDS = 10
"""Seconds of processor time that a child may have."""
_FILES = 64

Memory = Literal["all", "data"]
"""Whether the limit is on all addresses, or on data alone: libraries that map much and use little need the second."""


def confined(
    script: Path,
    *arguments: str,
    memory: Memory,
    stdin: IO[Any] | int = subprocess.DEVNULL,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a script under the limits; what it writes to its standard output can be read from the process.

    Args:
        script: a file of Python that imports nothing of Enfold.
        arguments: of the script.
        memory: what the limit of memory is on.
        stdin: where the child reads from.
        inherited: open files that the child may use, for reading.
    """
    environment = {"POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1", "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        [sys.executable, "-I", "-B", __file__, memory, str(script), *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=tuple(inherited),
        env=environment,
        cwd="/",
        start_new_session=True,
    )


def set_limits(memory: Memory) -> None:
    """Set the limits of this process, for good."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = min(_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    data_alone = memory == "data" and sys.platform == "linux"
    resource.setrlimit(resource.RLIMIT_DATA if data_alone else resource.RLIMIT_AS, (MEMORY, MEMORY))


def main() -> None:
    """Set the limits, and become the script that the arguments name."""
    memory, script = sys.argv[1:3]
    set_limits("data" if memory == "data" else "all")
    sys.argv = sys.argv[2:]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
