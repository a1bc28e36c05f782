"""Encoders beside their rivals: bert-base on long and on short texts, and MiniLM's vectors.

    python benchmarks/encoders.py [--sets long short embed] [--systems enfold "ONNX Runtime int8" …] [--runs 3]
    python benchmarks/encoders.py --accuracy FOLDER

``long`` is 64 texts whose lengths are log-normal around 230 tokens, 512 at most; ``short`` is 256 texts around 20;
``embed`` is 256 texts around 60, made into vectors by `minilm`. The bert-base has random weights, which is as quick as
any. All systems read the same texts, tokenising included, each in a process of its own that opens the model, answers a
few texts that do not count, and then all. Systems take turns, round by round. Of ours, *own ranges* is a model opened
with ``format="int8"``, *calibrated* one that was compressed with 100 other texts and saved.

*Real tokens* are those of the texts, padding never counted. *GFLOP/s* are those of the linear maps of the blocks for
real tokens; *of the limit* compares them with what this machine reaches in a product of 512 x 768 x 3072 in that
format, measured in the same run. *Off* is how far answers are from `transformers` (or sentence-transformers) in
float32: the largest difference of a probability, or the lowest cosine of a vector.

``--systems`` takes whole names or beginnings of names. What is not installed is a row that says so. ``--accuracy`` is
the table of ``encoder_accuracy.py``: what each format and each rival's int8 costs on real texts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers_encoders import BATCH, CLASSIFY, EMBED, OURS, PACKAGES, installed, kind_of, machine, open_system, package_of

LENGTHS = {"long": (64, 230, 0.6, 512), "short": (256, 20, 0.5, 128), "embed": (256, 60, 0.6, 256)}
"""Texts, the median of their tokens, the spread of the logarithm, and the most."""
SHARED = {"long": "bert", "short": "bert", "embed": "minilm"}
WARM_UP = 12  # texts


# ---- models and texts -------------------------------------------------------------------------------------------


def systems_of(kind: str) -> list[str]:
    """The rows of a table."""
    return [*(EMBED if kind == "embed" else CLASSIFY), *OURS]


def make_bert(folder: Path) -> None:
    """bert-base with random weights and the tokenizer of `minilm`; its head is loud, so that answers differ."""
    import torch

    from enfold import BertConfig, BertForSequenceClassification, Tokenizer

    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(num_labels=3))
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    model.save_pretrained(folder)
    Tokenizer.from_pretrained("minilm", model_max_length=512).save_pretrained(folder)


def make(work: Path) -> dict[str, str]:
    """The folders of both models."""
    from enfold.hub import locate

    bert = work / "bert"
    if not (bert / "config.json").is_file():
        make_bert(bert)
    return {"bert": str(bert), "minilm": str(locate("minilm").path)}


def texts_of(kind: str, folder: str) -> list[str]:
    """Invented texts cut, at the end of a word, to the tokens that were drawn for each."""
    from tokenizers import Tokenizer

    from enfold.benchmarking.texts import invented_texts

    count, median, spread, most = LENGTHS[kind]
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    chance = random.Random(kind)
    texts = []
    for number, text in enumerate(invented_texts(count, median=2 * most, longest=2 * most, seed=7)):
        wanted = min(most, max(3, round(median * chance.lognormvariate(0, spread))))
        offsets = tokenizer.encode(text).offsets
        end = offsets[min(wanted, len(offsets)) - 2][1]  # two tokens stand around every text
        texts.append(text[:end].rsplit(" ", 1)[0] if text[end : end + 1].isalnum() else text[:end])
        assert texts[-1], number
    return texts


def count_tokens(texts: list[str], folder: str, most: int) -> list[int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def operations_per_token(folder: str) -> float:
    """Multiplications and additions of the linear maps of all blocks, for one token."""
    config = json.loads((Path(folder) / "config.json").read_text())
    width, inner = config["hidden_size"], config["intermediate_size"]
    return 2.0 * config["num_hidden_layers"] * (4 * width * width + 2 * width * inner)


# ---- one run, in a process of its own ---------------------------------------------------------------------------


def one(system: str, kind: str, folder: str, work: str, threads: int, limit: int | None) -> dict[str, Any]:
    """Open the model, warm up, answer all texts; the answers are left in the work folder."""
    texts = texts_of(kind, folder)[:limit]
    task = "embed" if kind == "embed" else "classify"
    answer = open_system(system, task, folder, work, BATCH[kind], threads)
    by_length = sorted(texts, key=len)
    answer(by_length[:: max(1, len(texts) // WARM_UP)])
    began = time.perf_counter()
    found = answer(texts)
    seconds = time.perf_counter() - began
    np.save(Path(work) / f"answers-{kind}-{_file_name(system)}.npy", found)
    return {"seconds": seconds}


def limits() -> dict[str, Any]:
    from enfold.benchmarking.limits import measure_limits

    found = measure_limits()
    return {"products": found.products, "reading": found.reading, "threads": found.threads}


def in_a_process(arguments: list[str], threads: int) -> dict[str, Any]:
    """Run this script with arguments and read its last line; all thread pools are set alike."""
    number = str(threads)
    environment = dict(os.environ) | {"OMP_NUM_THREADS": number, "MKL_NUM_THREADS": number, "RAYON_NUM_THREADS": number}
    environment["TOKENIZERS_PARALLELISM"] = "true"
    command = [sys.executable, str(Path(__file__).resolve()), *arguments, "--threads", number]
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if child.returncode:
        raise RuntimeError(child.stderr.strip().splitlines()[-1] if child.stderr.strip() else "it ended without a word")
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def _file_name(system: str) -> str:
    return system.replace(" ", "-").lower()


# ---- all runs, and the table ------------------------------------------------------------------------------------


def compare(chosen: list[str], kind: str, folders: dict[str, str], work: Path, given: argparse.Namespace) -> None:
    """Run the systems in turns, and print their table."""
    threads = given.threads
    options = ["--limit", str(given.limit)] if given.limit else []
    folder = folders[SHARED[kind]]
    own = work / SHARED[kind]
    own.mkdir(exist_ok=True)
    place = own / "made"
    place.mkdir(exist_ok=True)
    there = [system for system in chosen if installed(package_of(system))]
    measured: dict[str, list[float]] = {system: [] for system in there}
    failed: dict[str, str] = {}
    products = [in_a_process(["--limits"], threads)["products"]]
    for number in range(given.runs + 1):
        for system in there if number % 2 == 0 else there[::-1]:
            if system in failed:
                continue
            try:
                found = in_a_process(["--one", system, kind, folder, str(place), *options], threads)
            except RuntimeError as error:
                failed[system] = str(error)
                continue
            if number:  # in the first round systems make of the model what they need
                measured[system].append(float(found["seconds"]))
        products.append(in_a_process(["--limits"], threads)["products"])
    limit = {format: max(one[format] for one in products) for format in products[0]}
    texts = texts_of(kind, folder)[: given.limit]
    _print(kind, chosen, measured, failed, limit, folder, place, texts)


def _print(
    kind: str,
    chosen: list[str],
    measured: dict[str, list[float]],
    failed: dict[str, str],
    limit: dict[str, float],
    folder: str,
    place: Path,
    texts: list[str],
) -> None:
    lengths = count_tokens(texts, folder, LENGTHS[kind][3])
    tokens = sum(lengths)
    work = tokens * operations_per_token(folder)
    model = "minilm, vectors" if kind == "embed" else "bert-base shape, text classification"
    print(f"\n### {kind}: {model}\n")
    print(
        f"{len(texts)} texts, {tokens:,} tokens, median {statistics.median(lengths):.0f}, at most {max(lengths)}. "
        f"Limits, GFLOP/s: {', '.join(f'{name} {value:.0f}' for name, value in limit.items())}.\n"
    )
    reference = "sentence-transformers float32" if kind == "embed" else "transformers batch 1 float32"
    base = measured.get(reference)
    off = "lowest cosine" if kind == "embed" else "off"
    print(f"| system | real tokens/s (spread) | of {reference} | GFLOP/s | of the limit | {off} |")
    print("|---|---|---|---|---|---|")
    for system in chosen:
        seconds = measured.get(system)
        if not seconds:
            why = f"failed: {failed[system]}" if system in failed else "not installed"
            print(f"| {system} | {why.replace('|', '/')} | - | - | - | - |")
            continue
        middle = statistics.median(seconds)
        ratio = f"{statistics.median(base) / middle:.2f}x" if base else "-"
        rate = work / middle / 1e9
        most = limit.get(kind_of(system))
        share = f"{100 * rate / most:.0f} %" if most else "-"
        print(
            f"| {system} | {tokens / middle:,.0f} ({tokens / max(seconds):,.0f} to {tokens / min(seconds):,.0f}) | "
            f"{ratio} | {rate:.0f} | {share} | {_off(system, reference, kind, place)} |"
        )


def _off(system: str, reference: str, kind: str, place: Path) -> str:
    """How far a system's answers are from the reference's."""
    files = [place / f"answers-{kind}-{_file_name(name)}.npy" for name in (system, reference)]
    if not all(file.is_file() for file in files):
        return "-"
    found, expected = (np.load(file) for file in files)
    if kind == "embed":
        return f"{float((found * expected).sum(-1).min()):.4f}"
    return f"{float(np.abs(found - expected).max()):.1e}"


def choose(wanted: list[str] | None, known: list[str]) -> list[str]:
    """Those that were asked for by name, or by the beginning of a name."""
    if not wanted:
        return known
    found = [name for name in known if any(name == word or name.startswith(f"{word} ") for word in wanted)]
    if not found:
        sys.exit(f"no system is called {' or '.join(wanted)}; there are: {', '.join(known)}")
    return found


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(LENGTHS), default=list(LENGTHS))
    parser.add_argument("--systems", nargs="+", metavar="NAME")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--work", type=Path, help="keep here what is made once (a scratch folder)")
    parser.add_argument("--accuracy", type=Path, metavar="FOLDER", help="holds sst2 and imdb-5k")
    parser.add_argument("--limit", type=int, help="so many texts only, to try the script itself")
    parser.add_argument("--limits", action="store_true", help="measure the machine, as JSON on the last line")
    parser.add_argument("--one", nargs=4, metavar=("SYSTEM", "SET", "FOLDER", "WORK"), help="one run, likewise")
    given = parser.parse_args()
    if given.limits:
        print(json.dumps(limits()))
        return
    if given.one:
        print(json.dumps(one(*given.one, given.threads, given.limit)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        _say_what_runs(given.threads, given.runs)
        if given.accuracy:
            from encoder_accuracy import accuracy_table

            known = list(dict.fromkeys(systems_of("long")))
            accuracy_table(given.accuracy, choose(given.systems, known), given.threads, given.limit, work)
            return
        folders = make(work)
        for kind in given.sets:
            known = systems_of(kind)
            chosen = [name for name in known if not given.systems or name in choose(given.systems, _all_systems())]
            if chosen:
                compare(chosen, kind, folders, work, given)


def _all_systems() -> list[str]:
    return list(dict.fromkeys(name for kind in LENGTHS for name in systems_of(kind)))


def _say_what_runs(threads: int, runs: int) -> None:
    versions = [f"{name} {installed(package) or 'not installed'}" for name, package in PACKAGES.items()]
    print(f"{machine()}, {threads} threads, {runs} runs, medians")
    print(f"Python {platform.python_version()}, torch {installed('torch')}, {', '.join(versions)}", flush=True)


if __name__ == "__main__":
    main()
