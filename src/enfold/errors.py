"""The errors Enfold raises, one small tree.

    EnfoldError                what the command line prints as one line, exit status 2
     ├─ InputError             something the user gave is wrong (also a ValueError)
     │   ├─ DataError          a file, a column, a row
     │   ├─ LabelError         label names that do not fit together
     │   └─ SettingsError      enfold.toml, or arguments that contradict each other
     ├─ SourceError            a model or data reference that cannot be resolved (missing, offline, refused)
     ├─ CheckpointError        a model folder that cannot be read as what it claims to be
     ├─ MissingExtra           an optional dependency is not installed (also an ImportError)
     └─ ServiceError           the server, the feedback database, a promotion that cannot be carried out
         └─ UnknownPrediction  feedback that names a prediction which is not in the database

Every message names the thing, the value and the way out.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "CheckpointError",
    "DataError",
    "EnfoldError",
    "InputError",
    "LabelError",
    "MissingExtra",
    "ServiceError",
    "SettingsError",
    "SourceError",
    "UnknownPrediction",
    "near",
    "require",
]


class EnfoldError(Exception):
    """The root: catch this to catch everything Enfold raises on purpose."""


class InputError(EnfoldError, ValueError):
    """Something the user gave is wrong."""


class DataError(InputError):
    """A data file, one of its columns or one of its rows is wrong."""


class LabelError(InputError):
    """Label names do not fit: an unknown name, or a data set and a model that disagree."""


class SettingsError(InputError):
    """Settings are unknown, wrong or contradictory; the message lists all of them."""


class SourceError(EnfoldError):
    """A reference to a model or to data could not be resolved."""


class CheckpointError(EnfoldError):
    """A model folder is not what it claims to be: a tensor is missing, misshapen, cut short or pickled."""


class MissingExtra(EnfoldError, ImportError):
    """An optional dependency is not installed; the message gives the command that installs it."""


class ServiceError(EnfoldError):
    """The server, the feedback database or a promotion cannot do what was asked."""


class UnknownPrediction(ServiceError):
    """Feedback names a prediction that is not in the database: never made here, not recorded, or forgotten."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say how to get it.

    Args:
        module: the importable name, such as ``matplotlib``.
        extra: the extra of Enfold that brings it, such as ``report``.
        purpose: what it is needed for, as the subject of a sentence.

    Raises:
        MissingExtra: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{purpose} needs {module}: pip install 'enfold[{extra}]'") from error


def near(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A suggestion to append to a message: ``"; did you mean 'text'?"``, or nothing when no name is close."""
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1)
    return f"; did you mean '{found[0]}'?" if found else ""
