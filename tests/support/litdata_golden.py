"""Writes tests/unit/formats/golden/litdata.json: datasets of the real LitData, and what it reads of them.

Run once, in an environment of its own with litdata (Apache-2.0) and pillow, no part of the tests':
``python tests/support/litdata_golden.py tests/unit/formats/golden/litdata.json``. Samples are made up here.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def told(value: Any) -> Any:
    """Return a value as JSON that tells its type."""
    if isinstance(value, memoryview):
        value = bytes(value)
    if hasattr(value, "numpy"):
        value = value.numpy()
    elif hasattr(value, "tobytes") and not isinstance(value, np.ndarray | bytes):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return {"array": [value.dtype.str, list(value.shape), base64.b64encode(value.tobytes()).decode()]}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {"dict": [[name, told(each)] for name, each in value.items()]}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [told(each) for each in value]}
    return value


def main(path: Path) -> None:
    import torch
    from litdata import StreamingDataset, TokensLoader
    from litdata.streaming.writer import BinaryWriter
    from PIL import Image

    rich = [
        {
            "i": n,
            "f": n / 2,
            "s": "é" * n,
            "b": bytes([n]) * n,
            "t": torch.arange(2 * n).reshape(2, -1).float(),
            "half": torch.arange(n).reshape(1, -1).half(),
            "t1": torch.arange(3),
            "n": np.arange(6, dtype=np.int16).reshape(2, 3),
            "n1": np.arange(n, dtype=np.float64),
            "flag": bool(n % 2),
            "p": Image.fromarray(np.full((2, 3), n, np.uint8)),
            "tup": (n, [n + 1]),
        }
        for n in range(6)
    ]
    rows = [
        {"m": [{"role": "u", "c": "x" * n}], "n": n, "k": None if n % 2 else "v", "fl": [1.5] * n} for n in range(6)
    ]
    mixed = [{"m": [1, "a", None], "n": n, "e": [], "rows": [{"a": 1, "b": "c"}] * n} for n in range(5)]
    sets: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "plain": (rich, {}),
        "chunk": (rich, {"compression": "zstd", "compression_level": "chunk"}),
        "batch": (rich, {"compression": "zstd", "compression_level": "batch", "compression_batch_size": 3}),
        "sample": (rich, {"compression": "zstd", "compression_level": "sample"}),
        "rows": (rows, {}),
        "packed rows": (rows, {"compression": "zstd"}),
        "packed rows of a chunk": (rows, {"compression": "zstd", "compression_level": "chunk"}),
        "mixed": (mixed, {}),
        "numbers": (list(range(6)), {}),
        "tokens": (
            [torch.arange(3 * n, 3 * n + 5, dtype=torch.int32) for n in range(6)],
            {"item_loader": TokensLoader()},
        ),
    }
    made = {}
    for name, (samples, options) in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            size = {"chunk_size": 20} if name == "tokens" else {"chunk_size": 4}
            writer = BinaryWriter(folder, **size, **options)
            for number, sample in enumerate(samples):
                writer.add_item(number, sample)
            writer.done()
            writer.merge()
            files = {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
            loader = {"item_loader": TokensLoader(block_size=4)} if name == "tokens" else {}
            dataset = StreamingDataset(folder, shuffle=False, **loader)
            values = [told(dataset[number]) for number in range(len(dataset))]
        made[name] = {
            "files": {file: base64.b64encode(data).decode() for file, data in files.items()},
            "values": values,
        }
        print(name, len(values), {file: len(data) for file, data in files.items()})
    path.write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
