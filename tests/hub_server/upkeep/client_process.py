"""The unmodified client in a process of its own, where its settings can differ from those of other tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hub_on_loopback import Hub

__all__ = ["run_client", "start_client"]


def start_client(hub: Hub, user: str, home: Path, script: str, **more: str) -> subprocess.Popen[str]:
    """Begin a script that finds `HF_ENDPOINT` and `HF_TOKEN` set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.tokens[user],
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_client(hub: Hub, user: str, home: Path, script: str, **more: str) -> Any:
    """Run a script; what it prints, read as JSON."""
    process = start_client(hub, user, home, script, **more)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(out) if out else None
