"""Which sidecar file applies to a recording, by the inheritance principle of BIDS.

A file applies to the recordings in its folder and below whose names hold all the entities of its own
(``task-rest_events.tsv`` to ``sub-01_task-rest_run-1_eeg.bdf``). The nearest folder wins, and within one the file with
the most entities.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from penstock.sources import ObjectInfo

__all__ = ["Sidecars"]

_NAME: Final = re.compile(r"(?:(?P<entities>[a-z]+-[^_/]+(?:_[a-z]+-[^_/]+)*)_)?(?P<kind>events|channels)\.tsv", re.I)


class Sidecars:
    """Events and channels tables of a dataset."""

    def __init__(self, objects: Iterable[ObjectInfo]) -> None:
        self._found: dict[tuple[str, str], list[tuple[frozenset[str], ObjectInfo]]] = {}
        for info in objects:
            folder, _, name = info.key.rpartition("/")
            if match := _NAME.fullmatch(name):
                entities = frozenset((match["entities"] or "").split("_")) - {""}
                self._found.setdefault((folder, match["kind"].lower()), []).append((entities, info))

    def of(self, key: str, *, root: str, stem: str, kind: str) -> ObjectInfo | None:
        """Return the table that applies to a recording, None where there is none.

        Args:
            key: of the recording.
            root: of its dataset, empty or ending in a slash; nothing above it applies.
            stem: its name without suffix, ``sub-01_task-rest``.
            kind: ``events`` or ``channels``.
        """
        entities = frozenset(stem.split("_"))
        folder = key.rpartition("/")[0]
        while True:
            fitting = [(len(own), info) for own, info in self._found.get((folder, kind), ()) if own <= entities]
            if fitting:
                return max(fitting, key=lambda pair: (pair[0], pair[1].key))[1]
            if not folder or f"{folder}/" == root:
                return None
            folder = folder.rpartition("/")[0]
