"""What a scan found, in the form in which the ecosystem's clients read it."""

from __future__ import annotations

from typing import Any

from enfold.hub.scans.scanning import Verdict

__all__ = ["security_status"]


def security_status(verdict: Verdict | None) -> dict[str, Any]:
    """What a scan found, as the API answers it; None is a file that waits."""
    if verdict is None:
        return {"status": "queued", "avScan": None, "pickleImportScan": None}
    status = "unscanned" if verdict.status == "not scanned" else verdict.status
    imports = [each["import"].rpartition(".") for each in verdict.findings if "import" in each]
    pickles: dict[str, Any] = {
        "status": {"safe": "innocuous", "unsafe": "dangerous"}.get(verdict.status, "unscanned"),
        "pickleImports": [{"module": module, "name": name, "safety": "dangerous"} for module, _, name in imports],
    }
    reasons = [each["reason"] for each in verdict.findings if "reason" in each]
    if reasons:
        pickles["message"] = "; ".join(reasons)
    return {"status": status, "avScan": None, "pickleImportScan": pickles}
