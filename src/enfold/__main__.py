"""``python -m enfold`` is the ``enfold`` command."""

from enfold.cli.main import run

if __name__ == "__main__":
    run()
