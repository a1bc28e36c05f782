"""Write src/enfold/__init__.pyi, so that editors and mypy see the names that are resolved when first asked for.

The names of model families come from the registry. ``--check`` writes nothing and fails when the file is not what it
would write (part of ``make lint``).
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "src" / "enfold" / "__init__.pyi"


def generate() -> str:
    """The text of the stub."""
    import enfold
    from enfold.models.auto import family_class, family_class_names

    lines = ["# Written by scripts/generate_stubs.py; run it after adding a name or a family.", ""]
    exported = ["__version__"]
    for module, names in sorted(enfold._HOMES.items()):
        lines += [f"from {module} import {name} as {name}" for name in sorted(names)]
        exported += names
    classes = []
    for name in family_class_names():
        found = family_class(name)
        assert found is not None, name
        exported.append(name)
        if found.__module__ != "enfold":
            lines.append(f"from {found.__module__} import {found.__name__} as {name}")
            continue
        kind = found.__mro__[1]
        lines.append(f"from {kind.__module__} import {kind.__name__} as _{kind.__name__}")
        classes.append(f"class {name}(_{kind.__name__}): ...")
    imports = sorted(set(lines[2:]))
    listed = "\n".join(f'    "{name}",' for name in sorted(exported))
    return "\n".join([*lines[:2], *imports, "", "__version__: str", "", *classes, "", f"__all__ = [\n{listed}\n]", ""])


def main() -> int:
    """Write the stub, or check it."""
    wanted = generate()
    if "--check" not in sys.argv[1:]:
        STUB.write_text(wanted, encoding="utf-8")
        return 0
    if STUB.is_file() and STUB.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{STUB.relative_to(ROOT)} is not up to date: run python scripts/generate_stubs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
