"""Parsers of bytes from outside that are no formats: what each is fed with at first, and what feeds it.

A maker gives examples, and a function that raises Penstock's own errors, or those of its own that its callers catch.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.fuzz.ends import chunks, lance
from benchmarks.fuzz.hdf5 import messages
from benchmarks.fuzz.stores import STORES, Made
from benchmarks.fuzz.uris import uris

__all__ = ["PARSERS", "Made"]


def events() -> Made:
    """Of tables with tabs, as BIDS has them, and with commas."""
    from penstock.formats.tables import read_table
    from penstock.tasks.eeg.events import events_of, find_trials, read_events_table

    table = b"onset\tduration\tvalue\tevent_code\n0.5\tn/a\tcontrastTrial_start\t1\n1.5\t0\tright_target\t2\n"

    def feed(data: bytes) -> None:
        read_table(data, name="t.csv", delimiter=",")
        find_trials(events_of(read_events_table(data, name="e.tsv"), "value"))

    return [table, b'a,b\n1,"x\n2"\n'], feed


def conversations() -> Made:
    from penstock.tokens.conversations import conversation_of

    rows: list[Any] = [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"},
        {"instruction": "a", "input": "", "output": "b"},
        {"prompt": "a", "completion": "b", "tools": "[]"},
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "completion": []},
        [{"role": "user", "content": "a"}],
    ]

    def feed(data: bytes) -> None:
        try:
            row = json.loads(data)
        except (ValueError, RecursionError):
            return
        conversation_of(row, column=None, kind=None, tools=None)

    return [json.dumps(row).encode() for row in rows], feed


def pipeline_file() -> Made:
    from penstock.dataset.opening import described, loading_said

    one = (
        b"format: parquet\nsource: s3://b/t\ncolumns: [text]\nsplit: {valid: 0.2, by: p, seed: 0}\npart: train\n"
        b"rename: {a: b}\n"
    )
    mixed = (
        b"mix:\n  - {weight: 0.7, format: jsonl, source: /d}\n"
        b"  - {weight: {0: 1, 2: 2}, format: csv, source: /e, options: {numbers: [a]}}\n"
    )

    def feed(data: bytes) -> None:
        text = data.decode(errors="replace")
        described(text, "d.yaml")
        loading_said(text, "d.yaml")

    return [one, mixed + b"seed: 0\nstop: all\nwindow: 1Gi\nbatch: 8\n"], feed


def records() -> Made:
    """Of what crosses from one step to another."""
    from penstock.records.codec import decode_record, encode_record
    from penstock.records.plan import Plan, StreamSpec
    from penstock.records.run import RunRecord, StepRecord
    from support.raw import make_raw_dataset
    from support.runs import make_list_step, make_run
    from support.windows import make_spec

    kinds: list[Any] = [Plan, StreamSpec, RunRecord, StepRecord]
    plan = Plan(manifest_fingerprint="f" * 64, seed=7, num_lanes=64, shuffle="full", mix=1)
    with tempfile.TemporaryDirectory(prefix="penstock-fuzz-") as folder:
        asked = make_spec(make_raw_dataset(Path(folder), sizes=[10] * 4), manifest="m.parquet")
    run = make_run(num_epochs=1, steps_per_epoch=2)
    seeds = [bytes([number]) + encode_record(each) for number, each in enumerate([plan, asked, run, make_list_step()])]

    def feed(data: bytes) -> None:
        if data:
            decode_record(data[1:], kinds[data[0] % len(kinds)])

    return seeds, feed


def control() -> Made:
    """Of a window's control file, cursors and the meters beside them."""
    from penstock.window.control import Control
    from penstock.window.cursor import Cursor
    from penstock.window.folder import CONTROL, cursor_name

    kept = tempfile.TemporaryDirectory(prefix="penstock-fuzz-")
    folder = Path(kept.name)
    Control.create(folder, capacity=4, window_bytes=1 << 20)
    whole = (folder / CONTROL).read_bytes()

    def feed(data: bytes) -> None:
        if not data:
            return
        assert kept.name
        if data[0] % 2:
            (folder / cursor_name(0)).write_bytes(data[1:])
            found = Cursor.open(folder, 0)
            if found is not None:
                assert found.index is not None
            return
        (folder / CONTROL).write_bytes(data[1:])
        made = Control(folder, writable=False)
        made.error("s")
        made.find_ready(0)
        assert made.is_current(folder) is not None

    return [b"\0" + whole, b"\1" + bytes(64)], feed


def manifest() -> Made:
    """Of a manifest's Parquet."""
    from penstock.manifest import ManifestReader
    from support.raw import make_raw_dataset

    kept = tempfile.TemporaryDirectory(prefix="penstock-fuzz-")
    folder = Path(kept.name)
    path = make_raw_dataset(folder, sizes=[10] * 12, per_object=4).manifest
    whole = path.read_bytes()

    def feed(data: bytes) -> None:
        assert kept.name
        path.write_bytes(data)
        with ManifestReader(path) as reader:
            for row in range(8):
                assert reader.row(row) is not None

    return [whole], feed


def checkpoint() -> Made:
    """Of what ``torch`` reads."""
    import torch

    from penstock.train.checkpoint_file import Identity, decode_weights, encode_checkpoint

    identity = Identity(
        task="raw",
        model="small",
        shape=(2,),
        num_outputs=1,
        manifest_fingerprint="m",
        plan_fingerprint="p",
        config={"seed": 1},
    )
    content = {"model": {"w": torch.zeros(2)}, "objective": {}}

    def feed(data: bytes) -> None:
        decode_weights(data, "c.pt")

    return [encode_checkpoint(content, identity=identity, step=1, epoch=0)], feed


def held() -> Made:
    """Of what a packed loader's position holds."""
    from penstock.tokens.held import lane_of
    from penstock.tokens.packing import PackCounts, Packing

    packing = Packing(length=8, method="concat", long="split", buffer=4, pad_id=0)
    empty = {"passed": 0, "counts": asdict(PackCounts()), "held": {"sizes": [], "ids": "", "labels": ""}}

    def feed(data: bytes) -> None:
        try:
            state = json.loads(data)
        except (ValueError, RecursionError):
            return
        lane_of(state, packing)

    return [json.dumps(empty).encode()], feed


PARSERS: dict[str, Callable[[], Made]] = {
    **STORES,
    "tables of events": events,
    "conversations": conversations,
    "dataset files": pipeline_file,
    "URIs and patterns": uris,
    "records": records,
    "window's files": control,
    "manifests": manifest,
    "checkpoints": checkpoint,
    "packing's positions": held,
    "messages on HDF5": messages,
    "column chunks of Parquet": chunks,
    "pages of Lance": lance,
}
