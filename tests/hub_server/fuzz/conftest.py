"""The hub that is asked is the one of the tests of privacy: it has an id of every kind."""

from __future__ import annotations

import sys
from pathlib import Path

for _folder in ("server", "pages", "privacy"):
    sys.path.insert(0, str(Path(__file__).parents[1] / _folder))
