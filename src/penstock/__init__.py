"""Train on datasets bigger than the disk, straight from where they lie."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself takes 20 ms, in which a step would not hear signals yet
    from typing import Any

    from penstock.stream import Stream

__all__ = ["Stream", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import ``Stream``, and torch with it, when it is asked for.

    Raises:
        ModuleNotFoundError: torch is not there.
    """
    if name == "Stream":
        import importlib

        try:
            return importlib.import_module("penstock.stream").Stream
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
        raise ModuleNotFoundError("penstock.Stream needs torch: pip install 'penstock[train]'", name="torch")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
