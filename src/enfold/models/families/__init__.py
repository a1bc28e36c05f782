"""One short file per architecture. Each defines ``FAMILY``; the registry finds it by being there."""
