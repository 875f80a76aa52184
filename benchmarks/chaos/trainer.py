"""A trainer that reads the window, saves its place now and then, and writes down every sample it was given.

    python -m benchmarks.chaos.trainer WINDOW SPEC JOURNAL CHECKPOINT

A line of the journal is ``attempt index key digest``. What comes after the last saved place of an attempt that was
killed does not count: the next attempt begins at the saved place.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from pathlib import Path

import msgspec

from penstock.errors import PenstockError
from penstock.records import StreamSpec, decode_record
from penstock.window import WindowReader

SAVE_EVERY = 37


def main(window: Path, spec_path: Path, journal: Path, checkpoint: Path) -> int:
    """Read from the saved place to the end."""
    asked = decode_record(spec_path.read_bytes(), StreamSpec)
    attempt, first = msgspec.json.decode(checkpoint.read_bytes()) if checkpoint.exists() else (0, 0)
    spec = msgspec.structs.replace(asked, session=uuid.uuid4().hex, first_index=first)
    _save(checkpoint, attempt + 1, first)
    reader = WindowReader(window, spec, timeout_seconds=60).begin()
    with journal.open("a", buffering=1) as lines:
        for index in range(first, spec.end_index):
            try:
                sample = reader.get(index)
            except PenstockError as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                return error.exit_code
            digest = hashlib.sha256(sample.data).hexdigest()
            lines.write(f"{attempt + 1} {index} {sample.meta.key} {digest}\n")
            reader.advance(index + 1)
            if (index + 1) % SAVE_EVERY == 0 or index + 1 == spec.end_index:
                _save(checkpoint, attempt + 1, index + 1)
    return 0


def _save(checkpoint: Path, attempt: int, index: int) -> None:
    temporary = checkpoint.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode((attempt, index)))
    temporary.replace(checkpoint)


if __name__ == "__main__":
    code = main(*(Path(word) for word in sys.argv[1:5]))
    sys.stdout.flush()
    os._exit(code)
