"""Files that look like recordings and are not read: named, so that nobody wonders where they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from penstock.formats.recordings import COMPANION_ENDINGS, RECORDING_ENDINGS
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo

__all__ = ["DERIVED", "RECORDING", "unread_files"]

RECORDING: Final = re.compile(
    r"(?P<stem>(?P<subject>sub-[^_/]+)(?:_[a-z]+-[^_/]+)*)_eeg\.(?:bdf|edf|vhdr|set|fif)", re.IGNORECASE
)
# Folders of a BIDS dataset that hold other forms of its recordings.
DERIVED: Final = frozenset({"derivatives", "sourcedata"})

_READ: Final = re.compile(r"\.(?:bdf|edf|vhdr|set|fif)$", re.IGNORECASE)
# Of what a recording of another format consists of, the file that is opened.
_OTHER: Final = re.compile(
    r"\.(?:cnt|gdf|mff|eeg|egi|raw|nwb|xdf|lay|trc|mef|(?:bdf|edf|fif|set)\.(?:gz|zip|xz|bz2|zst))$",
    re.IGNORECASE,
)
_SUFFIX: Final = re.compile(r"_(?P<kind>i?eeg|meg|nirs)(?P<ending>\.[^/]+)", re.IGNORECASE)
_SIDECARS: Final = frozenset({".json", ".tsv", ".tsv.gz"})


def unread_files(objects: Iterable[ObjectInfo]) -> list[SkippedObject]:
    """Name files that hold recordings, and are not read, with the reason."""
    keys = {info.key for info in objects}
    derived: Counter[str] = Counter()
    found = []
    for key in sorted(keys):
        *folders, name = key.split("/")
        if not (reason := _reason(key, name, keys)) and not RECORDING.fullmatch(name):
            continue
        if below := DERIVED.intersection(folders):
            derived[min(below)] += 1
        elif reason:
            found.append(SkippedObject(object=key, reason=reason))
    return found + [
        SkippedObject(object=f"{number} recordings below {folder}/", reason="other forms of the dataset's recordings")
        for folder, number in sorted(derived.items())
    ]


def _reason(key: str, name: str, keys: set[str]) -> str:
    if RECORDING.fullmatch(name):
        return ""
    suffix = _SUFFIX.search(name)
    match = None if suffix else _OTHER.search(name) or _READ.search(name)
    ending = suffix["ending"] if suffix else match[0] if match else ""
    if not ending or ending.lower() in _SIDECARS:
        return ""
    if header := COMPANION_ENDINGS.get(ending.lower()):
        stem = key[: -len(ending)]
        return "" if f"{stem}{header}" in keys else f"its header, {stem.rpartition('/')[2]}{header}, is not there"
    if suffix and suffix["kind"].lower() != "eeg":
        return f"it is no _eeg, but _{suffix['kind'].lower()}"
    if _READ.fullmatch(ending):
        return "its name is not like sub-01_task-rest_eeg.bdf"
    return f"its format ({ending}) is not read, only {', '.join(sorted(RECORDING_ENDINGS))} are"
