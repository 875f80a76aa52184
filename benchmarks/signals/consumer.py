"""A training loop of a person's own over ``penstock.Stream``, which notes every batch and its place in one line.

Ctrl-C is what it is in a notebook: the cell ends, and the loop is run again in the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch

import penstock


def _number(data: memoryview, key: str) -> torch.Tensor:
    return torch.tensor(int(Path(key).stem) if sum(data[:8]) >= 0 else -1)


def last_state(journal: Path) -> dict[str, object] | None:
    """Return the place after the last batch that was noted whole; a torn line is cut off."""
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
        journal.write_bytes(b"".join(lines))
    found: dict[str, object] | None = json.loads(lines[-1])["state"] if lines else None
    return found


def main() -> None:
    """Read all epochs, going on where the journal ends."""
    parser = argparse.ArgumentParser()
    for name in ("source", "url", "journal"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("workers", "epochs", "batch-size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--pause-seconds", type=float, default=0.0)
    args = parser.parse_args()
    journal = Path(args.journal)
    with penstock.Stream(
        args.source,
        endpoint_url=args.url,
        region="us-east-2",
        anonymous=True,
        decode=_number,
        batch_size=args.batch_size,
        window="2Mi",
        workers=args.workers,
        timeout_seconds=120,
    ) as stream:
        while True:
            try:
                _read(stream, journal, args)
            except KeyboardInterrupt:
                continue
            break


def _read(stream: penstock.Stream, journal: Path, args: argparse.Namespace) -> None:
    state = last_state(journal)
    if state is not None:
        stream.load_state_dict(state)
    handle = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        while stream.epoch < args.epochs:
            for batch in stream:
                line = {"numbers": batch.tolist(), "state": stream.state_dict()}
                os.write(handle, json.dumps(line).encode() + b"\n")
                time.sleep(args.pause_seconds)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main()
