"""The tutorial script does what it says. The model and the messages come from pip's packages, kept by the hub."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "bert_tutorial.py"


def test_the_tutorial_learns_to_tell_spam(capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    accuracy, answer = main(limit=240)
    assert accuracy >= 0.9
    assert answer == "spam"
    assert re.search(r"epoch 1: mean loss 0\.\d+\ntest accuracy: [\d.]+\nspam: 0\.\d+", capsys.readouterr().out)


def test_only_its_import_line_is_of_enfold():
    """Apart from finding the data and a short name for the model, nothing is Enfold's own."""
    lines = [
        line for line in SCRIPT.read_text(encoding="utf-8").splitlines() if "enfold" in line and "python " not in line
    ]
    assert lines == [
        "from enfold import BertForSequenceClassification, BertTokenizer, set_seed",
        "from enfold.hub import locate",
    ]
