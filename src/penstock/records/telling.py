"""What a file that was passed is, by its first bytes: of help where another one of ours is wanted."""

from __future__ import annotations

import msgspec

__all__ = ["WHOLE_BYTES", "kind_of", "what_it_is"]

WHOLE_BYTES = 16 << 20
"""Of which a file's kind is read: no record but a manifest is larger."""
_RECORDS = {
    "manifest": "a manifest's head",
    "plan": "a plan (of `penstock list --plan`)",
    "run": "a run record (of `penstock train --record`)",
    "step": "the record of another step than train (`--record` of list or prefetch)",
    "evaluation": "the metrics of `penstock evaluate --metrics`",
    "cost": "a bill (of `penstock report --cost`)",
    "prices": "a price file",
    "failure": "the record of a failure",
    "attempts": "what attempts a step or a job had",
    "job": "the record of a job (job.json of `penstock run --out`)",
    "listing": "the record of a listing that goes on",
    "stream": "what a trainer asks of its prefetcher",
    "readiness": "what `penstock doctor --json` told",
    "checkpoint": "the pointer to a checkpoint (best.json, latest.json or previous.json)",
}
_HEADS = (
    (b"PAR1", "a Parquet file, as a manifest is"),
    (b"PK\x03\x04", "a zip archive, as a checkpoint (.pt) is"),
    (b"\x80", "a pickle, as old files of torch are"),
    (b"\x89PNG", "a PNG image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
)


class _Headed(msgspec.Struct):
    record: str = ""


def kind_of(data: bytes) -> str:
    """Return the kind of a record, empty for what is none."""
    if len(data) > WHOLE_BYTES or data.lstrip()[:1] != b"{":
        return ""
    try:
        return msgspec.json.decode(data, type=_Headed).record
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


def what_it_is(data: bytes) -> str:
    """Return a phrase on what a file's bytes are, empty where that cannot be told."""
    if not data:
        return "an empty file"
    if told := next((told for head, told in _HEADS if data.startswith(head)), ""):
        return told
    kind = kind_of(data)
    if kind:
        return _RECORDS.get(kind, "")
    start = data[:512].lstrip()
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "some other JSON" if start[:1] in (b"{", b"[") and data.rstrip()[-1:] in (b"}", b"]") else ""
