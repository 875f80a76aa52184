"""Saved places in the data, and whether they can be taken up."""

from __future__ import annotations

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import LoaderState

__all__ = ["checked_place"]


def checked_place(state: LoaderState, mine: LoaderState) -> int:
    """Give the stream index of a saved place.

    Args:
        mine: the place of the stream that is to take it up, whose other fields must be the same.

    Raises:
        CheckpointMismatch: it is of another plan, order, batch size or version, or no place in a stream.
    """
    fix = "go on with the options and the manifest that the run began with, or begin a new run"
    for name, own in mine.items():
        if name != "next_index" and state.get(name) != own:
            raise CheckpointMismatch(
                f"the saved place in the data is of another {name.replace('_', ' ')} "
                f"({str(state.get(name))[:60]}, now {str(own)[:60]})",
                fix=fix,
            )
    index = state.get("next_index")
    if not isinstance(index, int) or index < 0:
        raise CheckpointMismatch(f"the saved place in the data is {index!r}, not a stream index", fix=fix)
    return index
