"""Writes tests/unit/formats/golden/lance.json: datasets of the real Lance (pylance, Apache-2.0), made up here.

Run once, in an environment of its own with pylance:
``python tests/support/lance_golden.py tests/unit/formats/golden/lance.json``.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path

import lance
import pyarrow as pa


def main(path: Path) -> None:
    made = {}
    for name in ("plain", "added", "deleted", "old"):
        with tempfile.TemporaryDirectory() as folder:
            lists = [[n] * (n % 3) for n in range(10)]
            table = pa.table({"id": range(10), "text": [f"é{n}" for n in range(10)], "l": lists})
            options = {"data_storage_version": "0.1"} if name == "old" else {}
            dataset = lance.write_dataset(table, folder, max_rows_per_file=6, **options)
            if name == "added":
                dataset.add_columns({"twice": "id * 2"})
            if name == "deleted":
                dataset.delete("id = 3")
            files = {
                str(each.relative_to(folder)): each.read_bytes() for each in Path(folder).rglob("*") if each.is_file()
            }
        kept = {key: data for key, data in files.items() if key.startswith(("_versions/", "data/"))}
        made[name] = {key: base64.b64encode(data).decode() for key, data in sorted(kept.items())}
        print(name, {key: len(data) for key, data in kept.items()})
    path.write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
