"""Packages that import what is asked of them when it is asked for, so that nobody waits for what another needs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself takes 20 ms, in which a step would not hear signals yet
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["imported", "lazily"]


def imported(module: str) -> Any:
    """Import a module, without a search for garbage meanwhile: torch's objects alone take it 0.14 s."""
    import gc
    import importlib

    is_on = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if is_on:
            gc.enable()


def lazily(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        modules: of each module in it, as it is called there, the names that the package has of it, with blanks between.
    """
    places = {name: f"{package}.{module}" for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules.get(package)
            )
        found = getattr(imported(places[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places})

    return get, names
