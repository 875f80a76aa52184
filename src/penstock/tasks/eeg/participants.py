"""Tables of participants: who they are, and what is told of them."""

from __future__ import annotations

from penstock.errors import DataError
from penstock.formats.tables import Table, read_table
from penstock.sources import ObjectSource
from penstock.tasks.eeg.bids import Dataset

__all__ = ["participants_table", "subject_of"]


async def participants_table(
    source: ObjectSource, dataset: Dataset, root: str, column: str, *, fix: str, other: str, told: str = ""
) -> Table:
    """Return the table of a BIDS root, which has a column.

    Args:
        fix: where there is no table.
        other: fix where it lacks the column.
        told: of the table, in the message that there is none.

    Raises:
        DataError: there is none, or it cannot be read or lacks the column.
    """
    info = dataset.participants.get(root)
    if info is None:
        name = f"{root}participants.tsv"
        raise DataError(f"there is no {name} in {source.spec.uri}{told}", fix=fix, about=name)
    table = read_table(await source.get(info), name=info.key)
    table.require(("participant_id", column), fix=other)
    return table


def subject_of(name: str) -> str:
    """Return the BIDS name of a participant, with or without ``sub-``."""
    return f"sub-{name.removeprefix('sub-')}"
