"""New tokens a second, beside `transformers` and CTranslate2: decoders and encoder-decoders, greedy and with beams.

    python benchmarks/generation.py [--models gpt2 smollm2 marian t5 gguf] [--systems …] [--runs 3]

The published shapes with random weights, the same for all systems; no stop token, so that all write as many tokens.
Each system is a process of its own that reads the model once and then measures every case, after one run that does not
count; systems take turns, round by round. New tokens are counted over all rows; with beams, those of the best only.
Ratios are to `transformers` in float32, and to llama.cpp where it is the rival.

CTranslate2 (``pip install ctranslate2``; left out where it is missing) reads the folder through its own converter.

``gguf`` is the published SmolLM2-135M in a GGUF file of 4-bit weights, which llama.cpp (``pip install
llama-cpp-python``; left out where it is missing) and Enfold both read: decoding alone, the prompt's time taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

CASES: dict[str, list[dict[str, int]]] = {
    "gpt2": [{"rows": 1, "read": 32, "write": 64, "beams": 1}, {"rows": 8, "read": 32, "write": 64, "beams": 1}],
    "smollm2": [{"rows": 1, "read": 32, "write": 64, "beams": 1}, {"rows": 8, "read": 32, "write": 64, "beams": 1}],
    "marian": [{"rows": 32, "read": 25, "write": 25, "beams": 1}, {"rows": 32, "read": 25, "write": 25, "beams": 4}],
    "t5": [{"rows": 8, "read": 256, "write": 48, "beams": 1}, {"rows": 8, "read": 256, "write": 48, "beams": 4}],
    "gguf": [{"rows": 1, "read": 32, "write": 64, "beams": 1}],
}
SYSTEMS = (
    "transformers",
    "transformers bfloat16",
    "enfold",
    "enfold int8",
    "enfold int4",
    "ctranslate2 float32",
    "ctranslate2 int8",
    "llama.cpp",
)
PACKAGES = {"ctranslate2": "ctranslate2", "llama.cpp": "llama-cpp-python"}
GGUF = "smollm2"


# ---- the models -----------------------------------------------------------------------------------------------------


def make(name: str) -> Any:
    """The published shape, with random weights and nothing that ends a text."""
    import transformers

    none: dict[str, Any] = {"eos_token_id": None, "bos_token_id": None}
    if name == "gpt2":
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(pad_token_id=0, **none))
    if name == "smollm2":
        config = transformers.LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            pad_token_id=0,
            **none,
        )
        return transformers.LlamaForCausalLM(config)
    if name == "marian":
        config = transformers.MarianConfig(
            vocab_size=58101,
            d_model=512,
            encoder_layers=6,
            decoder_layers=6,
            encoder_ffn_dim=2048,
            decoder_ffn_dim=2048,
            encoder_attention_heads=8,
            decoder_attention_heads=8,
            max_position_embeddings=512,
            pad_token_id=58100,
            decoder_start_token_id=58100,
            scale_embedding=True,
            activation_function="swish",
            forced_eos_token_id=None,
            **none,
        )
        return transformers.MarianMTModel(config)
    return transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            d_model=512,
            d_kv=64,
            d_ff=2048,
            num_layers=6,
            num_heads=8,
            pad_token_id=0,
            decoder_start_token_id=0,
            eos_token_id=None,
        )
    )


def inputs_of(name: str, case: dict[str, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(5, 30000, (case["rows"], case["read"]), generator=generator)


# ---- the systems ----------------------------------------------------------------------------------------------------


def torch_writer(system: str, name: str, folder: str) -> Callable[[dict[str, int]], int]:
    """Either library's ``generate``, which takes the same arguments."""
    pair = name in ("marian", "t5")
    library, _, format = system.partition(" ")
    if library == "enfold":
        import enfold

        auto: Any = enfold.AutoModelForSeq2SeqLM if pair else enfold.AutoModelForCausalLM
    else:
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        auto = transformers.AutoModelForSeq2SeqLM if pair else transformers.AutoModelForCausalLM
    options = {} if not format else ({"format": format} if library == "enfold" else {"dtype": format})
    model = auto.from_pretrained(folder, **options).eval()

    def write(case: dict[str, int]) -> int:
        ids = inputs_of(name, case)
        wanted = {"max_new_tokens": case["write"], "num_beams": case["beams"], "do_sample": False}
        if name == "gguf":
            wanted["min_new_tokens"] = case["write"]  # this model has tokens that end a text
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), **wanted)
        return out.shape[0] * (out.shape[1] - (1 if pair else case["read"]))

    return write


def foreign_writer(system: str, name: str, folder: str) -> Callable[[dict[str, int]], int]:
    import ctranslate2

    kind = system.split()[1]
    converted = str(Path(folder) / "ct2")
    pair = name in ("marian", "t5")
    reader = ctranslate2.Translator if pair else ctranslate2.Generator
    model = reader(converted, compute_type=kind, inter_threads=1, intra_threads=torch.get_num_threads())

    def write(case: dict[str, int]) -> int:
        rows = [[f"t{number}" for number in row] for row in inputs_of(name, case).tolist()]
        common = {"beam_size": case["beams"], "max_batch_size": 0}
        if pair:
            length = {"min_decoding_length": case["write"], "max_decoding_length": case["write"]}
            found = model.translate_batch(rows, **length, **common)
            return sum(len(one.hypotheses[0]) for one in found)
        length = {"min_length": case["write"], "max_length": case["write"], "include_prompt_in_result": False}
        return sum(len(one.sequences_ids[0]) for one in model.generate_batch(rows, **length, **common))

    return write


def llama_writer(folder: str) -> Callable[[dict[str, int]], int]:
    """llama.cpp through its Python package: the most likely token again and again."""
    import llama_cpp
    import numpy as np

    threads = torch.get_num_threads()
    model = llama_cpp.Llama(folder, n_threads=threads, n_threads_batch=threads, n_ctx=512, verbose=False)
    words = model.n_vocab()

    def write(case: dict[str, int]) -> int:
        model.reset()
        model.eval(inputs_of("gguf", case)[0].tolist())
        for number in range(case["write"]):
            scores = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), (words,))
            token = int(scores.argmax())
            if number < case["write"] - 1:  # nothing is read after the last
                model.eval([token])
        return case["write"]

    return write


def gguf_file() -> str:
    """The file of ``smollm2``, which is read by both."""
    from enfold.hub import locate

    path = locate(GGUF).path
    return str(path if path.is_file() else next(path.glob("*.gguf")))


def convert(name: str, folder: str) -> None:
    """Write what CTranslate2 reads, over a vocabulary of numbered tokens."""
    import ctranslate2.converters.transformers as converters
    import transformers

    loaded = transformers.AutoModelForCausalLM if name in ("gpt2", "smollm2") else transformers.AutoModelForSeq2SeqLM
    model = loaded.from_pretrained(folder)
    tokens = [f"t{number}" for number in range(model.config.vocab_size)]
    loader = converters._MODEL_LOADERS[type(model.config).__name__]

    class Words:
        """As much of a tokenizer as the converter asks for."""

        bos_token, eos_token, unk_token, pad_token = tokens[1], tokens[2], tokens[3], tokens[0]
        encoder: dict[str, int] = {token: number for number, token in enumerate(tokens)}  # noqa: RUF012
        decoder = None

        def get_vocab(self) -> dict[str, int]:
            return self.encoder

        def convert_ids_to_tokens(self, number: int) -> str:
            return tokens[number]

    spec = loader.get_model_spec(model)
    loader.set_config(spec.config, model, Words())
    if name == "marian":
        tokens.pop()  # the converter leaves out the padding, which stands last
    if name in ("gpt2", "smollm2"):
        spec.register_vocabulary(tokens)
    else:
        spec.register_source_vocabulary(tokens)
        spec.register_target_vocabulary(tokens)
    spec.validate()
    spec.optimize(quantization=None)
    (Path(folder) / "ct2").mkdir()
    spec.save(str(Path(folder) / "ct2"))


# ---- measuring ------------------------------------------------------------------------------------------------------


def one(system: str, name: str, folder: str) -> list[float]:
    """New tokens a second of each case, after a run that does not count."""
    if system == "llama.cpp":
        write = llama_writer(folder)
    else:
        write = (foreign_writer if system.startswith("ctranslate2") else torch_writer)(system, name, folder)

    def timed(case: dict[str, int]) -> tuple[int, float]:
        began = time.perf_counter()
        count = write(case)
        return count, time.perf_counter() - began

    speeds = []
    for case in CASES[name]:
        write({**case, "write": 4})
        before = timed({**case, "write": 1})[1] if name == "gguf" else 0.0
        count, seconds = timed(case)
        assert count == case["rows"] * case["write"], f"{system} wrote {count} tokens"
        speeds.append((count - case["rows"]) / (seconds - before) if before else count / seconds)
    return speeds


def systems_for(name: str, chosen: list[str]) -> list[str]:
    """Those that run a model: llama.cpp and ours read the GGUF file, all others the folder."""
    if name == "gguf":
        return [one for one in chosen if one.startswith(("enfold", "llama.cpp"))]
    return [one for one in chosen if one != "llama.cpp"]


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", nargs=3, metavar=("SYSTEM", "MODEL", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one)))
        return
    found = {system: installed(package) for system, package in PACKAGES.items()}
    missing = tuple(system for system, number in found.items() if number is None)
    there = [one for one in arguments.systems if not one.startswith(missing)]
    versions = {"torch": version("torch"), "transformers": version("transformers")}
    versions |= {system: number for system, number in found.items() if number}
    print(
        f"Python {platform.python_version()}, {', '.join(f'{one} {number}' for one, number in versions.items())}",
        end="",
    )
    print(f"; {os.cpu_count()} cores, {torch.get_num_threads()} threads\n")
    print("| model | rows | read + written | beams | system | new tokens/s (spread) | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.models:
        systems = systems_for(name, there)
        measured: dict[str, list[list[float]]] = {system: [] for system in systems}
        with tempfile.TemporaryDirectory() as scratch:
            folder = gguf_file() if name == "gguf" else scratch
            if name != "gguf":
                make(name).save_pretrained(folder)
            if any(system.startswith("ctranslate2") for system in systems):
                convert(name, folder)
            for number in range(arguments.runs):
                for system in systems if number % 2 == 0 else systems[::-1]:
                    command = [sys.executable, __file__, "--one", system, name, folder]
                    child = subprocess.run(command, capture_output=True, text=True, check=False)
                    if child.returncode:
                        sys.exit(f"{system}, {name}:\n{child.stderr}")
                    measured[system].append(json.loads(child.stdout.splitlines()[-1]))
        rival = "llama.cpp" if name == "gguf" else "transformers"
        for number, case in enumerate(CASES[name]):
            base = statistics.median(run[number] for run in measured[rival]) if rival in measured else None
            for system in systems:
                speeds = [run[number] for run in measured[system]]
                median = statistics.median(speeds)
                ratio = f"{median / base:.2f}x" if base else "-"
                print(
                    f"| {name} | {case['rows']} | {case['read']} + {case['write']} | {case['beams']} | {system} | "
                    f"{median:,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) | {ratio} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
