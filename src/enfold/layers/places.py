"""Parts at the dotted paths a checkpoint gives them.

Code here speaks of roles (``query``, ``attention_norm``); checkpoints, tutorials and adapter files speak of
paths that differ from family to family (``attention.self.query``). A module that owns parts puts each at
its path, so that ``named_parameters()`` and ``state_dict()`` carry the published names, and reaches it by role.
Parts are looked up at each call, so that one replaced from outside (an adapter, an int8 linear) is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

__all__ = ["Assembly", "place"]


def place(root: nn.Module, path: str, part: nn.Module | nn.Parameter) -> None:
    """Register ``part`` below ``root`` at a dotted path; modules and lists on the way are made where there are none."""
    *holders, name = path.split(".")
    for holder, below in zip(holders, path.split(".")[1:], strict=True):
        if holder not in root._modules:
            root.add_module(holder, nn.ModuleList() if below.isdigit() else nn.Module())
        found = root._modules[holder]
        assert found is not None
        root = found
    if isinstance(part, nn.Parameter):
        root.register_parameter(name, part)
    else:
        root.add_module(name, part)


class Assembly(nn.Module):
    """A module whose parts sit at paths of someone else's choosing and are reached by role.

    A path that begins with ``/`` starts at another module, the root, which ``join`` names.
    """

    def __init__(self, parts: Mapping[str, nn.Module], names: Mapping[str, str]) -> None:
        """Put each part at ``names[role]``; a role without a path is its own."""
        super().__init__()
        self._paths: dict[str, tuple[str, ...]] = {}
        self.assemble(parts, names)

    def assemble(self, parts: Mapping[str, nn.Module], names: Mapping[str, str]) -> None:
        """Put further parts at their paths."""
        known = self.__dict__.get("_paths", {})
        self._paths = known | {role: tuple(names.get(role, role).split(".")) for role in parts}
        self.__dict__.setdefault("_waiting", {})
        for role, part in parts.items():
            path = names.get(role, role)
            if path.startswith("/"):
                self.__dict__["_waiting"][path[1:]] = part
            else:
                place(self, path, part)

    def join(self, root: nn.Module) -> None:
        """Put the parts whose paths start at the root in place there."""
        waiting = self.__dict__["_waiting"]
        if waiting:
            self.__dict__["_root"] = root  # known, but not owned
        for path, part in waiting.items():
            place(root, path, part)
        waiting.clear()

    def reached(self) -> Iterator[nn.Module]:
        """All modules below it, and those of its parts that lie elsewhere."""
        yield from self.modules()
        for role, path in self._paths.items():
            if path[0].startswith("/"):
                yield from self.part(role).modules()

    def has(self, role: str) -> bool:
        """Whether there is a part of that role."""
        return role in self._paths

    def part(self, role: str) -> nn.Module:
        """The module that now stands at the path of ``role``."""
        module: nn.Module = self
        path = self._paths[role]
        if path[0].startswith("/"):
            module, path = self.__dict__["_root"], (path[0][1:], *path[1:])
        for name in path:
            module = module._modules[name]  # type: ignore[assignment]
        return module
