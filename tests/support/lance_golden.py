"""Writes tests/unit/formats/golden/lance.json: datasets of the real Lance (pylance, Apache-2.0), made up here.

What is in the file already is kept. Run in an environment of its own with pylance:
``python tests/support/lance_golden.py tests/unit/formats/golden/lance.json``.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from pathlib import Path

import lance
import pyarrow as pa
from lance.file import LanceFileWriter
from lance.fragment import DataFile, FragmentMetadata

ROWS = 300


def paged() -> pa.Table:
    return pa.table(
        {
            "id": range(ROWS),
            "text": [f"é{n}" for n in range(ROWS)],
            "l": [[n] * (n % 3) for n in range(ROWS)],
            "s": [{"a": n, "b": str(n)} for n in range(ROWS)],
            "b": [bytes([n % 256]) * 40 for n in range(ROWS)],
        }
    )


def write_pages(folder: Path) -> None:
    """Write two files of one fragment, of 2.1, with a page for every 50 rows in the one and every 70 in the other."""
    whole = paged()
    files, field = [], 0
    (folder / "data").mkdir()
    for number, (names, rows, parts) in enumerate(((["id", "text", "l", "s"], 50, 7), (["b"], 70, 1))):
        table = whole.select(names)
        writer = LanceFileWriter(str(folder / f"data/{number}.lance"), table.schema, data_cache_bytes=1, version="2.1")
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
        writer.close()
        fields = list(range(field, field + parts))
        field += parts
        leaves = [0, 1, -1, 2, -1, 3, 4] if parts == 7 else [0]
        files.append(DataFile(f"{number}.lance", fields, leaves, 2, 1))
    kept = lance.LanceOperation.Overwrite(whole.schema, [FragmentMetadata(0, files, ROWS)])
    assert lance.LanceDataset.commit(str(folder), kept).to_table() == whole


def write_old_pages(folder: Path) -> None:
    """Write a fragment of 2.0 with pages of some 2 KB, the list's items on pages of their own."""
    os.environ["LANCE_FILE_WRITER_MAX_PAGE_BYTES"] = "2000"
    lance.write_dataset(paged().drop_columns("s"), folder, data_storage_version="2.0")
    del os.environ["LANCE_FILE_WRITER_MAX_PAGE_BYTES"]


def kept_of(name: str, folder: Path) -> dict[str, str]:
    files = {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    kept = {key: data for key, data in files.items() if key.startswith(("_versions/", "data/"))}
    print(name, {key: len(data) for key, data in kept.items()})
    return {key: base64.b64encode(data).decode() for key, data in sorted(kept.items())}


def main(path: Path) -> None:
    made = json.loads(path.read_text()) if path.exists() else {}
    for name, write in (("pages", write_pages), ("old pages", write_old_pages)):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            made[name] = kept_of(name, Path(folder))
    for name in ("plain", "added", "deleted", "old"):
        if name in made:
            continue
        with tempfile.TemporaryDirectory() as folder:
            lists = [[n] * (n % 3) for n in range(10)]
            table = pa.table({"id": range(10), "text": [f"é{n}" for n in range(10)], "l": lists})
            options = {"data_storage_version": "0.1"} if name == "old" else {}
            dataset = lance.write_dataset(table, folder, max_rows_per_file=6, **options)
            if name == "added":
                dataset.add_columns({"twice": "id * 2"})
            if name == "deleted":
                dataset.delete("id = 3")
            made[name] = kept_of(name, Path(folder))
    path.write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
