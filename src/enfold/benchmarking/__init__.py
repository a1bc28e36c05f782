"""How quick a model is on this machine, on given texts, beside what the machine can do at most.

Importing this does not import torch.
"""

from enfold.benchmarking.limits import Limits, measure_limits
from enfold.benchmarking.runs import Measured, Plan, measure, plan_for
from enfold.benchmarking.texts import invented_texts

__all__ = ["Limits", "Measured", "Plan", "invented_texts", "measure", "measure_limits", "plan_for"]
