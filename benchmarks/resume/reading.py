"""One training that reads some batches and ends, in a process of its own, saved and gone on from by ``state_dict``.

    python -m benchmarks.resume.reading '<Reading as JSON>'

The last line of its output is a JSON object: the numbers of the first and last sample, whether all were right and in
order, and the seconds to the first batch and to the last.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import penstock

__all__ = ["Reading", "checked", "read"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read.

    Attributes:
        begin: number of the sample that should come first.
        state: file that the position is taken from, where ``begin`` is not 0, and written to.
    """

    url: str
    begin: int
    batch: int
    num_batches: int
    window: str
    manifests: str
    state: str


def read(asked: Reading) -> dict[str, Any]:
    """Read, and save the position."""
    state = Path(asked.state)
    dataset = penstock.tar(asked.url, decoded=True) if ".tar." in asked.url else penstock.jsonl(asked.url)
    begun = time.perf_counter()
    numbers: list[int] = []
    first_seconds = 0.0
    with dataset.loader(
        asked.batch, shuffle="none", window=asked.window, epochs=1, collate=list, manifest_folder=asked.manifests
    ) as loader:
        if asked.begin:
            loader.load_state_dict(json.loads(state.read_text()))
        for number, batch in enumerate(loader, 1):
            first_seconds = first_seconds or time.perf_counter() - begun
            numbers += [checked(sample) for sample in batch]
            if number == asked.num_batches:
                break
        state.write_text(json.dumps(loader.state_dict()))
    right = numbers == list(range(asked.begin, asked.begin + asked.batch * asked.num_batches))
    return {
        "first": numbers[0],
        "last": numbers[-1],
        "right": right,
        "first_seconds": first_seconds,
        "seconds": time.perf_counter() - begun,
    }


def checked(sample: dict[str, Any]) -> int:
    """Return a sample's number; -1 of one whose bytes are not those that were written."""
    about = sample.get("json", sample)
    body = sample["bin"] if "bin" in sample else sample["text"].encode()
    return int(about["n"]) if zlib.crc32(body) == about["crc"] else -1


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(read(Reading(**json.loads(sys.argv[1]))))}\n")
