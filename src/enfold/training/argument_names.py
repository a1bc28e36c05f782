"""Names of `transformers`' training arguments that :class:`~enfold.training.TrainingArguments` does not have itself.

Three tables. ``FORMER_NAMES``: spellings of version 4, translated with a word about the new one. ``ALREADY_SO``:
arguments whose every value asks for what happens anyway. ``NOT_HONOURED``: arguments accepted at their default
only, so that scripts that spell defaults out still run, and anything else is refused by name, never ignored.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from enfold.errors import near


class FormerName(NamedTuple):
    """How an old spelling becomes a new one."""

    new: str
    convert: Callable[[Any], Any] = lambda value: value
    word: str = ""


def _if_set(new: Any) -> Callable[[Any], Any]:
    """A flag became a value: true gives ``new``, false leaves the default alone (``None``)."""
    return lambda value: new if value else None


FORMER_NAMES: dict[str, FormerName] = {
    "evaluation_strategy": FormerName("eval_strategy"),
    "gradient_checkpointing": FormerName("activation_checkpointing"),
    "group_by_length": FormerName(
        "train_sampling_strategy", _if_set("group_by_length"), "train_sampling_strategy='group_by_length'"
    ),
    "no_cuda": FormerName("use_cpu"),
    "sortish_sampler": FormerName(
        "train_sampling_strategy", _if_set("group_by_length"), "train_sampling_strategy='group_by_length'"
    ),
    "per_gpu_eval_batch_size": FormerName("per_device_eval_batch_size"),
    "per_gpu_train_batch_size": FormerName("per_device_train_batch_size"),
    "warmup_ratio": FormerName("warmup_steps", word="warmup_steps with a number below 1"),
    "include_tokens_per_second": FormerName(
        "include_num_input_tokens_seen", _if_set("non_padding"), "include_num_input_tokens_seen='non_padding'"
    ),
}

ALREADY_SO: dict[str, str] = {
    "dataloader_in_order": "batches always arrive in order",
    "do_eval": "a flag for scripts; the trainer does not read it",
    "do_predict": "a flag for scripts; the trainer does not read it",
    "do_train": "a flag for scripts; the trainer does not read it",
    "eval_accumulation_steps": "predictions leave the device after every batch",
    "local_rank": "torchrun sets it in the environment",
    "log_on_each_node": "only one process logs",
    "overwrite_output_dir": "checkpoints are written beside what is there and never over another step's",
    "restore_callback_states_from_checkpoint": "an exact resume restores them always",
    "save_on_each_node": "only one process saves",
    "save_safetensors": "weights are always safetensors",
}

NOT_HONOURED: dict[str, Any] = {
    "accelerator_config": None,
    "activation_checkpointing_kwargs": None,
    "adafactor": False,
    "auto_find_batch_size": False,
    "average_tokens_across_devices": True,
    "batch_eval_metrics": False,
    "bf16_full_eval": False,
    "dataloader_multiprocessing_context": None,
    "ddp_backend": None,
    "ddp_broadcast_buffers": None,
    "ddp_bucket_cap_mb": None,
    "ddp_find_unused_parameters": None,
    "ddp_static_graph": None,
    "ddp_timeout": 1800,
    "debug": "",
    "deepspeed": None,
    "dispatch_batches": None,
    "enable_jit_checkpoint": False,
    "eval_do_concat_batches": True,
    "eval_use_gather_object": False,
    "fp16": False,
    "fp16_backend": "auto",
    "fp16_full_eval": False,
    "fp16_opt_level": "O1",
    "fsdp": None,
    "fsdp_config": None,
    "fsdp_min_num_params": 0,
    "fsdp_transformer_layer_cls_to_wrap": None,
    "gradient_checkpointing_kwargs": None,
    "half_precision_backend": "auto",
    "hub_always_push": False,
    "hub_model_id": None,
    "hub_private_repo": None,
    "hub_revision": None,
    "hub_strategy": "every_save",
    "hub_token": None,
    "ignore_data_skip": False,
    "include_for_metrics": [],
    "include_inputs_for_metrics": False,
    "jit_mode_eval": False,
    "liger_kernel_config": None,
    "log_level": "passive",
    "log_level_replica": "warning",
    "logging_nan_inf_filter": True,
    "mp_parameters": "",
    "neftune_noise_alpha": None,
    "optim_args": None,
    "optim_target_modules": None,
    "parallelism_config": None,
    "past_index": -1,
    "project": "huggingface",
    "push_to_hub": False,
    "push_to_hub_model_id": None,
    "push_to_hub_organization": None,
    "push_to_hub_token": None,
    "ray_scope": "last",
    "run_name": None,
    "skip_memory_metrics": True,
    "split_batches": None,
    "tf32": None,
    "torch_compile": False,
    "torch_compile_backend": None,
    "torch_compile_mode": None,
    "torch_empty_cache_steps": None,
    "torchdynamo": None,
    "tpu_metrics_debug": False,
    "tpu_num_cores": None,
    "trackio_bucket_id": None,
    "trackio_space_id": None,
    "trackio_static_space_id": None,
    "use_cache": False,
    "use_ipex": False,
    "use_legacy_prediction_loop": False,
    "use_liger_kernel": False,
    "use_mps_device": False,
}

_WHY_NOT: dict[str, str] = {
    "fp16": "use bf16=True, which needs no loss scaling",
    "logging_nan_inf_filter": "a loss that is not finite stops the training",
    "push_to_hub": "train, then upload the folder with huggingface_hub",
    "ignore_data_skip": "resuming is always exact",
    "torch_compile": "compile the model yourself: model.compile()",
}


def translate(given: Mapping[str, Any], honoured: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Turn what a caller wrote into honoured arguments.

    Args:
        given: arguments by name, as written.
        honoured: the names that :class:`TrainingArguments` has.

    Returns:
        The arguments under their present names, and what is wrong, one message an argument.
    """
    honoured = set(honoured)
    understood: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in given.items():
        if name in honoured:
            understood[name] = value
        elif former := FORMER_NAMES.get(name):
            if former.new in given:
                faults.append(f"{name!r} is the former name of {former.new!r}, and both are given")
                continue
            warnings.warn(f"{name} is now {former.word or former.new}", FutureWarning, stacklevel=3)
            if (converted := former.convert(value)) is not None:
                understood[former.new] = converted
        elif name in NOT_HONOURED:
            if value != NOT_HONOURED[name]:
                reason = f": {_WHY_NOT[name]}" if name in _WHY_NOT else ""
                faults.append(f"{name}={value!r} is not supported{reason}")
        elif name not in ALREADY_SO:
            known = sorted(honoured | FORMER_NAMES.keys())
            faults.append(f"there is no argument {name!r}{near(name, known)}")
    return understood, faults
