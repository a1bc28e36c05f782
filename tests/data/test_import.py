"""The package is quick to import: what is heavy comes with the name that needs it."""

import subprocess
import sys

import enfold.data


def test_importing_it_loads_neither_polars_nor_torch():
    code = (
        "import sys, enfold.data; from enfold.data import content_id, token_budget_batches; "
        "heavy = ('polars', 'torch', 'sklearn', 'ftfy', 'rensa', 'pandas', 'pyarrow', 'rich'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_reading_and_preparing_loads_no_torch():
    code = (
        "import sys; from enfold.data import *; t = as_table({'text': ['a', 'b', 'c', 'd'], 'label': list('xyxy')}); "
        "prepare(t, find_columns(t, source='t'), source='t'); "
        "print([name for name in ('torch', 'transformers', 'datasets', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_every_public_name_is_there():
    assert {name: getattr(enfold.data, name).__name__ for name in enfold.data.__all__ if name != "Split"} == {
        name: name for name in enfold.data.__all__ if name != "Split"
    }
    assert sorted(enfold.data.__all__) == dir(enfold.data)
