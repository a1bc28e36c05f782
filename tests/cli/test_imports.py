"""What starts without torch: the package, the help, data, the hub, pipelines."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "polars", "sklearn", "matplotlib", "fastapi", "sqlalchemy")


def loaded_by(statement):
    script = f"import json, sys\n{statement}\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "statement",
    [
        "import enfold",
        "import enfold; dir(enfold)",
        "from enfold.cli.main import app",
        "import enfold.data, enfold.hub, enfold.text, enfold.pipelines, enfold.values, enfold.feedback, enfold.serving",
        "from enfold import LabelSet, BertTokenizer, TextClassificationPipeline",
    ],
)
def test_nothing_heavy_is_loaded(statement):
    assert loaded_by(statement) == []


def test_help_loads_nothing_heavy():
    statement = (
        "import contextlib, io\nfrom enfold.cli.main import run\nsys.argv = ['enfold', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): run()"
    )
    assert loaded_by(statement) == []


def test_every_public_name_is_there():
    import enfold

    for name in enfold.__all__:
        assert getattr(enfold, name) is not None
    with pytest.raises(AttributeError, match="module 'enfold' has no name 'Nonsense'"):
        enfold.Nonsense  # noqa: B018
