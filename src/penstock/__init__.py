"""Train on datasets bigger than the disk, straight from where they lie."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself takes 20 ms, in which a step would not hear signals yet
    from typing import Any

    from penstock.dataset import (
        Dataset,
        Mixed,
        clips,
        eeg,
        images,
        jsonl,
        mix,
        objects,
        of_format,
        open,  # noqa: A004
        parquet,
        tar,
        text,
        video_text,
        xray,
        zip,  # noqa: A004
    )
    from penstock.steps.forecast import forecast
    from penstock.stream import Stream

__all__ = ["Dataset", "Mixed", "Stream", "__version__", "clips", "eeg", "forecast", "images", "jsonl", "mix", "objects"]
__all__ += ["of_format", "open", "parquet", "tar", "text", "video_text", "xray", "zip"]

__version__ = "0.1.0"


_FACE = {
    "Stream": "penstock.stream",
    "forecast": "penstock.steps.forecast",
    **dict.fromkeys(("Dataset", "Mixed", "clips", "eeg", "images", "mix", "objects", "of_format"), "penstock.dataset"),
    **dict.fromkeys(("jsonl", "open", "parquet", "tar", "text", "video_text", "xray", "zip"), "penstock.dataset"),
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import what a user of the library calls, and torch with it, when it is asked for.

    Raises:
        ModuleNotFoundError: torch is not there.
    """
    if name in _FACE:
        from penstock.lazy import imported

        try:
            return getattr(imported(_FACE[name]), name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
        raise ModuleNotFoundError(f"penstock.{name} needs torch: pip install 'penstock[train]'", name="torch")
    # With these Python tells which name was meant.
    what = f"module {__name__!r} has no attribute {name!r}{_of_format(name)}"
    raise AttributeError(what, name=name, obj=sys.modules[__name__])


def _of_format(name: str) -> str:
    """Return what to write for a format that has no function of its own; the empty text for other names."""
    from importlib.machinery import PathFinder

    # What Python itself and its tools look for; and modules, which `from penstock import` looks for here first.
    if name.startswith("_") or PathFinder.find_spec(f"{__name__}.{name}", __path__) is not None:
        return ""
    from penstock.formats.registry import format_names

    return f": write penstock.of_format({name!r}, ...)" if name in format_names() else ""
