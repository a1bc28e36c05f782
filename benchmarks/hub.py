"""How quick the hub is beside nginx, blocking sendfile and a plain write; how it bears many files and repositories.

    python benchmarks/hub.py                       # everything
    python benchmarks/hub.py download tree         # some of it
    python benchmarks/hub.py --quick --no-results  # small sizes, to try the scripts themselves

Each benchmark starts `enfold hub serve` on a fresh root under ``--work`` (a temporary folder by default), on loopback,
with the unmodified client. Runs of what is compared take turns. nginx is Debian's (nginx-light), with two workers and
sendfile; without it its rows are left out. Rows are printed, and kept as JSON lines with commit, versions and machine.
Nothing fails for being slow: a row only says whether its target was met.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub_downloads import downloads
from hub_machine import GB, RESULTS, Report, versions
from hub_scale import files, search, start, tree
from hub_uploads import again, memory, uploads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="download upload again memory files tree search start")
    parser.add_argument("--runs", type=int, default=5, help="runs of downloads and starts; 3 of them of uploads")
    parser.add_argument("--quick", action="store_true", help="a sixteenth of every size and one run")
    parser.add_argument("--memory-gb", type=float, default=10.0, help="size of the upload whose memory is watched")
    parser.add_argument("--work", type=Path, help="folder for roots and files; it is left empty")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--no-results", action="store_true", help="print only")
    options = parser.parse_args()
    part = 16 if options.quick else 1
    runs = 1 if options.quick else options.runs
    some = min(runs, 3)
    asked = 200 // part
    sizes: dict[str, tuple[str, Callable[..., None], dict[str, Any]]] = {
        "start": ("how long until it serves?", start, {"runs": runs}),
        "download": ("how quick is a large file fetched?", downloads, {"size": (1 << 30) // part, "runs": runs}),
        "upload": ("how quick is a large file sent?", uploads, {"size": 2 * GB // part, "runs": some}),
        "again": ("how much of a changed file is sent?", again, {"size": 2 * GB // part}),
        "memory": (
            "how much memory does a large upload take?",
            memory,
            {"size": int(options.memory_gb * GB) // part},
        ),
        "files": ("how are many small files borne?", files, {"count": 10_000 // part, "runs": some}),
        "tree": ("how quick are pages of a large tree?", tree, {"count": 100_000 // part, "asked": asked}),
        "search": ("how quick is search?", search, {"count": 100_000 // part, "asked": asked}),
    }
    unknown = sorted(set(options.names) - sizes.keys())
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(sizes)}")
    print("; ".join(f"{name} {number}" for name, number in versions().items()))
    for name, (question, run, settings) in sizes.items():
        if options.names and name not in options.names:
            continue
        if options.work is not None:
            options.work.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"hub-{name}-", dir=options.work))
        try:
            run(Report(name, question, settings, None if options.no_results else options.results), work, **settings)
        finally:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
