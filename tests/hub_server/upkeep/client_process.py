"""The unmodified client in a process of its own, where its settings can differ from those of other tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub_on_loopback import Hub

from enfold.hub.records import Records, accounts, tokens
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings

__all__ = ["run_client", "served_again", "start_client"]


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


@contextmanager
def served_again(root: Path, **settings: Any) -> Iterator[Hub]:
    """Serve a hub that has its users already; alice gets another token."""
    chosen = HubSettings(root=root, port=0, drain_seconds=2, **settings)
    with background_hub(chosen) as url:
        records = Records(settings.get("database") or root / "hub.sqlite")
        try:
            with records.write() as session:
                secret = tokens.create_token(session, accounts.user(session, "alice"), "again")
            yield Hub(url, root, records, {"alice": secret})
        finally:
            records.close()
