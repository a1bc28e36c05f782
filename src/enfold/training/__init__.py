"""Training: a loop that reads on one screen, and `Trainer` around it."""

from enfold.training.arguments import TrainingArguments
from enfold.training.callbacks import (
    DefaultFlowCallback,
    EarlyStoppingCallback,
    ExportableState,
    TrainerCallback,
)
from enfold.training.checkpoints import get_last_checkpoint
from enfold.training.collators import (
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    default_data_collator,
)
from enfold.training.corpus import chunk_into_blocks
from enfold.training.inference import EvalPrediction, PredictionOutput
from enfold.training.masking import DataCollatorForLanguageModeling
from enfold.training.objectives import LabelObjective, Objective
from enfold.training.packing import PackingCollator
from enfold.training.progress import ProgressCallback
from enfold.training.randomness import set_seed
from enfold.training.schedules import (
    get_constant_schedule,
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_cosine_with_hard_restarts_schedule_with_warmup,
    get_inverse_sqrt_schedule,
    get_linear_schedule_with_warmup,
    get_polynomial_decay_schedule_with_warmup,
    get_scheduler,
)
from enfold.training.seq2seq import Seq2SeqTrainer, Seq2SeqTrainingArguments
from enfold.training.state import TrainerControl, TrainerState
from enfold.training.tensorboard import TensorBoardCallback
from enfold.training.trainer import Trainer, TrainOutput

__all__ = [
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
    "DataCollatorWithPadding",
    "DefaultFlowCallback",
    "EarlyStoppingCallback",
    "EvalPrediction",
    "ExportableState",
    "LabelObjective",
    "Objective",
    "PackingCollator",
    "PredictionOutput",
    "ProgressCallback",
    "Seq2SeqTrainer",
    "Seq2SeqTrainingArguments",
    "TensorBoardCallback",
    "TrainOutput",
    "Trainer",
    "TrainerCallback",
    "TrainerControl",
    "TrainerState",
    "TrainingArguments",
    "chunk_into_blocks",
    "default_data_collator",
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_inverse_sqrt_schedule",
    "get_last_checkpoint",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
    "get_scheduler",
    "set_seed",
]
