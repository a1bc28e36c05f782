"""The systems that `encoders.py` compares: each opens a folder and answers texts, as its own documentation advises.

``open_system(name, task, folder, work, …)`` gives a function from texts to an array: for ``classify`` the
probabilities of the labels, for ``embed`` unit vectors. Tokenising is part of every answer. What a system makes of a
model once (a graph, a converted folder) is kept in ``work``. Peers that pad read texts sorted by length, ``BATCH`` at a
time, unless the name says otherwise.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

Answer = Callable[[Sequence[str]], np.ndarray]

BATCH = {"long": 16, "short": 32, "embed": 32}
PACKAGES = {
    "transformers": "transformers",
    "sentence-transformers": "sentence-transformers",
    "OpenVINO": "openvino",
    "ONNX Runtime": "onnxruntime",
    "CTranslate2": "ctranslate2",
    "enfold": "enfold",
}
CLASSIFY = (
    "transformers batch 1 float32",
    "transformers in order float32",
    "transformers sorted float32",
    "transformers batch 1 bfloat16",
    "transformers in order bfloat16",
    "transformers sorted bfloat16",
    "OpenVINO bfloat16",
    "ONNX Runtime float32",
    "ONNX Runtime int8",
    "CTranslate2 int8 in order",
    "CTranslate2 int8",
)
OURS = ("enfold float32", "enfold bfloat16", "enfold int8 (own ranges)", "enfold int8 calibrated")
EMBED = (
    "sentence-transformers float32",
    "sentence-transformers bfloat16",
    "OpenVINO bfloat16",
    "ONNX Runtime float32",
    "ONNX Runtime int8",
    "CTranslate2 int8",
)


def package_of(system: str) -> str:
    """The package a system's name begins with."""
    return next(package for name, package in PACKAGES.items() if system.startswith(name))


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def kind_of(system: str) -> str:
    """The number format in a system's name."""
    return next((word for word in system.split() if word in ("float32", "bfloat16", "int8", "int4")), "int8")


def open_system(
    system: str, task: str, folder: str, work: str, batch: int, threads: int, *, longest: int | None = None
) -> Answer:
    """A system with its model read; texts are cut to ``longest`` tokens, or to what the model reads."""
    if system.startswith("enfold"):
        return _enfold(system, task, folder, Path(work), longest)
    if system.startswith("sentence-transformers"):
        return _sentence_transformers(kind_of(system), folder, batch)
    if system.startswith("transformers"):
        return _transformers(system, folder, batch, longest)
    maker = {"OpenVINO": _openvino, "ONNX Runtime": _onnx_runtime, "CTranslate2": _ctranslate2}
    name = next(name for name in maker if system.startswith(name))
    run = maker[name](kind_of(system), task, folder, Path(work), threads)
    return _batched(folder, task, run, batch, longest or _longest(folder), in_order=system.endswith("in order"))


# ---- ours, and those that bring their own pipeline ------------------------------------------------------------------


def _enfold(system: str, task: str, folder: str, work: Path, longest: int | None) -> Answer:
    from enfold import pipeline

    format = kind_of(system)
    options: dict[str, Any] = {"dtype": format} if format in ("float32", "bfloat16") else {"format": format}
    if system.endswith(" calibrated"):
        folder, options = _calibrated(format, task, folder, work / f"calibrated-{format}"), {}
    options["max_length"] = longest
    if task == "embed":
        embed = pipeline("feature-extraction", folder, **options)
        return lambda texts: _unit(embed.embed(texts, truncation=True))
    classify = pipeline("text-classification", folder, **options)
    return lambda texts: np.array([list(one.scores.values()) for one in classify(texts, truncation=True)])


def _calibrated(format: str, task: str, folder: str, target: Path) -> str:
    """A folder compressed with the texts that lie beside the model, or invented ones, never those that are asked."""
    if not (target / "config.json").is_file():
        import enfold
        from enfold.benchmarking.texts import invented_texts
        from enfold.compression import quantise

        kind = enfold.AutoModelForSequenceClassification if task == "classify" else enfold.AutoModel
        model = kind.from_pretrained(folder)
        beside = Path(folder) / "calibration.json"
        texts = json.loads(beside.read_text()) if beside.is_file() else invented_texts(100, seed=11)
        unfinished = target.with_name(target.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        quantise(model, format, texts=texts).save_pretrained(unfinished)
        enfold.AutoTokenizer.from_pretrained(folder).save_pretrained(unfinished)
        for name in ("modules.json", "1_Pooling/config.json", "sentence_bert_config.json"):
            if (Path(folder) / name).is_file():
                (unfinished / name).parent.mkdir(exist_ok=True)
                (unfinished / name).write_bytes((Path(folder) / name).read_bytes())
        unfinished.rename(target)
    return str(target)


def _transformers(system: str, folder: str, batch: int, longest: int | None) -> Answer:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    classify = transformers.pipeline("text-classification", folder, dtype=getattr(torch, kind_of(system)), device="cpu")
    names = list(classify.model.config.id2label.values())
    options: dict[str, Any] = {"top_k": None, "truncation": True, "batch_size": 1 if " batch 1 " in system else batch}
    if longest is not None:
        options["max_length"] = longest

    def answer(texts: Sequence[str]) -> np.ndarray:
        order = _by_length(texts) if " sorted " in system else np.arange(len(texts))
        found = classify([texts[place] for place in order], **options)
        rows = [{one["label"]: one["score"] for one in row} for row in found]
        return _back([[row[name] for name in names] for row in rows], order)

    return answer


def _sentence_transformers(kind: str, folder: str, batch: int) -> Answer:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": kind})
    return lambda texts: _unit(model.encode(list(texts), batch_size=batch, show_progress_bar=False))


# ---- engines that are given padded batches --------------------------------------------------------------------------

Run = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Padded ids, mask and types to logits, or to the states of all tokens."""


def _batched(folder: str, task: str, run: Run, batch: int, longest: int, *, in_order: bool) -> Answer:
    """An engine with the tokenizer of the folder in front: texts in batches of like length."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)

    def answer(texts: Sequence[str]) -> np.ndarray:
        encodings = tokenizer.encode_batch(list(texts))
        lengths = np.array([len(encoding.ids) for encoding in encodings])
        order = np.arange(len(texts)) if in_order else np.argsort(-lengths, kind="stable")
        found: list[np.ndarray] = []
        for start in range(0, len(order), batch):
            chosen = [encodings[place] for place in order[start : start + batch]]
            width = max(len(encoding.ids) for encoding in chosen)
            ids, mask, types = (np.zeros((len(chosen), width), dtype=np.int64) for _ in range(3))
            for row, encoding in enumerate(chosen):
                ids[row, : len(encoding.ids)] = encoding.ids
                mask[row, : len(encoding.ids)] = 1
                types[row, : len(encoding.ids)] = encoding.type_ids
            result = run(ids, mask, types)
            found += list(_softmax(result) if task == "classify" else _unit(_mean(result, mask)))
        return _back(found, order)

    return answer


def _reference(task: str, folder: str) -> Any:
    """The model of transformers that peers are made of, giving its first output alone."""
    import torch
    import transformers

    auto = transformers.AutoModelForSequenceClassification if task == "classify" else transformers.AutoModel
    model = auto.from_pretrained(folder, attn_implementation="eager").eval()

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.model(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]

    example = {name: torch.ones(2, 9, dtype=torch.long) for name in ("input_ids", "attention_mask", "token_type_ids")}
    return First().eval(), example


def _openvino(kind: str, task: str, folder: str, work: Path, threads: int) -> Run:
    """``ov.convert_model``, as "Convert from PyTorch" has it; one stream on all cores, as "latency" advises."""
    import openvino as ov

    file = work / "openvino.xml"
    if not file.is_file():
        import torch

        model, example = _reference(task, folder)
        with torch.no_grad():
            ov.save_model(ov.convert_model(model, example_input=example), str(file), compress_to_fp16=False)
    settings = {
        "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[kind],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = ov.Core().compile_model(str(file), "CPU", settings)
    names = ("input_ids", "attention_mask", "token_type_ids")
    return lambda *given: np.asarray(compiled(dict(zip(names, given, strict=True)))[0], dtype=np.float32)


def _onnx_runtime(kind: str, task: str, folder: str, work: Path, threads: int) -> Run:
    """The transformers optimizer (fused attention, GELU and norms), then dynamic quantisation, as the guide has it."""
    import onnxruntime

    file = work / f"onnx-{kind}.onnx"
    if not file.is_file():
        fused = work / "onnx-float32.onnx"
        if not fused.is_file():
            _export_fused(task, folder, work, fused)
        if kind == "int8":
            from onnx import TensorProto
            from onnxruntime.quantization import QuantType, quantize_dynamic

            # Shapes are not inferred through fused operators, so the type is told.
            told = {"DefaultTensorType": TensorProto.FLOAT}
            quantize_dynamic(fused, file, weight_type=QuantType.QInt8, extra_options=told)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = ("input_ids", "attention_mask", "token_type_ids")
    return lambda *given: session.run(None, dict(zip(names, given, strict=True)))[0]


def _export_fused(task: str, folder: str, work: Path, fused: Path) -> None:
    import torch
    from onnxruntime.transformers import optimizer

    model, example = _reference(task, folder)
    plain = work / "plain.onnx"
    config = json.loads((Path(folder) / "config.json").read_text())
    axes = {name: {0: "batch", 1: "tokens"} for name in example}
    with torch.no_grad():
        torch.onnx.export(
            model, tuple(example.values()), str(plain), input_names=list(example), output_names=["found"],
            dynamic_axes=axes | {"found": {0: "batch"} if task == "classify" else {0: "batch", 1: "tokens"}},
            dynamo=False, opset_version=17,
        )  # fmt: skip
    heads, width = config["num_attention_heads"], config["hidden_size"]
    optimised = optimizer.optimize_model(str(plain), model_type="bert", num_heads=heads, hidden_size=width)
    optimised.save_model_to_file(str(fused))
    plain.unlink()


def _ctranslate2(kind: str, task: str, folder: str, work: Path, threads: int) -> Run:
    """Its BERT encoder; the head of a classifier is computed by hand from the pooled output."""
    import ctranslate2

    target = work / f"ctranslate2-{kind}"
    if not (target / "model.bin").is_file():
        stack = work / "stack"
        _save_stack(folder, stack)
        converter = ctranslate2.converters.TransformersConverter(str(stack))
        converter.convert(str(target), quantization=kind, force=True)
        shutil.rmtree(stack)
    encoder = ctranslate2.Encoder(str(target), device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads)
    head = None
    if task == "classify":
        from safetensors.numpy import load_file

        tensors = load_file(str(Path(folder) / "model.safetensors"))
        head = tensors["classifier.weight"], tensors["classifier.bias"]

    def run(ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        lengths = mask.sum(1).astype(np.int32)
        given = ctranslate2.StorageView.from_array(ids.astype(np.int32))
        found = encoder.forward_batch(given, ctranslate2.StorageView.from_array(lengths), types.tolist())
        if head is None:
            return np.array(found.last_hidden_state)
        return np.array(found.pooler_output) @ head[0].T + head[1]

    return run


def _save_stack(folder: str, target: Path) -> None:
    """The model below the head, with its tokenizer: what the converter reads."""
    import transformers

    transformers.logging.set_verbosity_error()
    model = transformers.AutoModel.from_pretrained(folder)
    model.config.position_embedding_type = "absolute"  # the converter asks for it, transformers 5 has no other
    model.save_pretrained(target)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(target)


# ---- arrays ---------------------------------------------------------------------------------------------------------


def _longest(folder: str) -> int:
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("config.json", "max_position_embeddings")):
        file = Path(folder) / name
        if file.is_file():
            return int(json.loads(file.read_text())[key])
    return 512


def _by_length(texts: Sequence[str]) -> np.ndarray:
    return np.argsort([-len(text) for text in texts], kind="stable")


def _back(rows: Sequence[Any], order: np.ndarray) -> np.ndarray:
    found = np.asarray(rows, dtype=np.float32)
    placed = np.empty_like(found)
    placed[order] = found
    return placed


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def _mean(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    weights = mask[:, :, None].astype(np.float32)
    return (states * weights).sum(1) / weights.sum(1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def machine() -> str:
    """The processor and its cores, in words."""
    name = "an unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"
