"""Repositories of a Hub, through the protocol's own client.

``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` mean what they mean there, and its cache is shared
with every other tool that uses it. Only files that cannot run code are fetched: weights as safetensors, configurations,
vocabularies and plain text; never pickles or Python.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from enfold.errors import SourceError
from enfold.hub.cache import is_offline
from enfold.hub.references import HubRepository
from enfold.hub.starters import Kind

__all__ = ["DATA_FILES", "MODEL_FILES", "TOKENIZER_FILES", "snapshot"]

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.spm", "*.jinja", "*.gguf")
"""Patterns of the files a model consists of."""
TOKENIZER_FILES = tuple(pattern for pattern in MODEL_FILES if pattern not in ("*.safetensors", "*.gguf"))
"""Those of them that a tokenizer needs: everything but the weights."""
DATA_FILES = ("*.csv", "*.tsv", "*.jsonl", "*.json", "*.parquet", "*.txt")
"""Patterns of the files data consists of."""


def snapshot(reference: HubRepository, *, kind: Kind, only: Sequence[str] | None = None) -> tuple[Path, str]:
    """Download a repository at a revision, or find it in the cache.

    Args:
        reference: the repository, its revision, and a path inside it.
        kind: a model or a data set.
        only: patterns of the files that are needed; all that a model or data consists of unless given.

    Returns:
        the folder (or the inner path that was asked for) and the commit it is at, 40 hex digits.

    Raises:
        SourceError: no such repository, revision or inner path; no access to it; no network and not in the cache.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    what = "model" if kind == "model" else "data set"
    name = f"{what} {reference.repository!r}"
    allowed = list(only or (MODEL_FILES if kind == "model" else DATA_FILES))
    if reference.inner is not None:
        allowed = [f"{reference.inner}/{pattern}" for pattern in allowed if not reference.inner.suffix] + [
            str(reference.inner)
        ]
    try:
        folder = Path(
            snapshot_download(
                reference.repository,
                repo_type="model" if kind == "model" else "dataset",
                revision=reference.revision,
                allow_patterns=allowed,
                local_files_only=is_offline(),
                endpoint=endpoint,
            )
        )
    except GatedRepoError as error:
        raise SourceError(
            f"{name} asks for its conditions to be accepted at {endpoint}/{reference.repository}; then set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise SourceError(f"{name} on {endpoint} has no revision {reference.revision!r}") from error
    except RepositoryNotFoundError as error:
        raise SourceError(f"no {name} on {endpoint}, and no such path here; if it is private, set HF_TOKEN") from error
    except LocalEntryNotFoundError as error:
        raise SourceError(_unreachable(name, endpoint)) from error
    except HFValidationError as error:
        raise SourceError(f"{reference.repository!r} is no path here and cannot be the name of a {what}") from error
    except HfHubHTTPError as error:
        raise SourceError(f"{endpoint} refused {name}: {error}") from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore"):
            raise
        raise SourceError(_unreachable(name, endpoint)) from error
    return _inside(folder, reference, name), folder.name


def _unreachable(name: str, endpoint: str) -> str:
    if is_offline():
        why = "this is offline mode: unset ENFOLD_OFFLINE and HF_HUB_OFFLINE"
    else:
        why = f"{endpoint} cannot be reached: check the network and HF_ENDPOINT"
    return f"{name} is not (wholly) in the cache and {why}, or give the path of a folder"


def _inside(folder: Path, reference: HubRepository, name: str) -> Path:
    if reference.inner is None:
        return folder
    path = folder / reference.inner
    if not path.exists():
        raise SourceError(f"no {reference.inner} in {name}, or no file in it that is safe to fetch")
    return path
