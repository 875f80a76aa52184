"""The repositories that the examples read: text as of the web in Parquet and JSON lines, and samples in TAR files."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 0
GROUP_ROWS = 1000
"""Rows of a row group, as the Hub's own converter writes them."""
SENTENCES = 4096
SENTENCES_A_ROW = (8, 60)
PICTURE_BYTES = (10_000, 40_000)
CARD = "---\nlicense: cc0-1.0\n---\n\nRows for a benchmark.\n"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large the repositories are.

    Attributes:
        num_files: of Parquet and of JSON lines.
        file_rows: of each.
        num_archives: TAR files.
        archive_samples: of each.
    """

    num_files: int
    file_rows: int
    num_archives: int
    archive_samples: int

    @property
    def num_rows(self) -> int:
        """Rows of one text repository."""
        return self.num_files * self.file_rows


def make_repositories(root: Path, sizes: Sizes) -> dict[str, int]:
    """Write all repositories; gives the bytes of each.

    Args:
        root: a folder is made in it for each.
    """
    rng = np.random.default_rng(SEED)
    sentences = _sentences(rng)
    for repository, name in (("web", "a"), ("books", "b")):
        for number in range(sizes.num_files):
            rows = list(_rows(rng, sentences, name, number * sizes.file_rows, sizes.file_rows))
            _write_parquet(_place(root, repository, number, sizes.num_files, "parquet"), rows)
            if repository == "web":
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                _place(root, "lines", number, sizes.num_files, "jsonl").write_text(lines)
    for number in range(sizes.num_archives):
        path = _place(root, "pictures", number, sizes.num_archives, "tar")
        _write_tar(path, rng, number * sizes.archive_samples, sizes.archive_samples)
    for repository in root.iterdir():
        (repository / "README.md").write_text(CARD)
    return {path.name: sum(each.stat().st_size for each in path.rglob("*.*")) for path in sorted(root.iterdir())}


def _place(root: Path, repository: str, number: int, count: int, extension: str) -> Path:
    folder = root / repository / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"train-{number:05}-of-{count:05}.{extension}"


def _sentences(rng: np.random.Generator) -> list[str]:
    letters = np.array(list("eeeeeetttttaaaaooooiiiinnnnssshhhrrrdddlluucmfwygpbvk"))
    words = ["".join(rng.choice(letters, size=length)) for length in rng.integers(2, 9, size=8000)]
    return [" ".join(words[place] for place in rng.integers(0, len(words), size=12)) + ". " for _ in range(SENTENCES)]


def _rows(
    rng: np.random.Generator, sentences: list[str], name: str, first: int, count: int
) -> Iterator[dict[str, Any]]:
    for number in range(first, first + count):
        places = rng.integers(0, len(sentences), size=int(rng.integers(*SENTENCES_A_ROW)))
        text = "".join(sentences[place] for place in places)
        yield {
            "text": text,
            "id": f"<urn:uuid:{name}-{number:08}>",
            "dump": "CC-MAIN-2013-20",
            "url": f"https://example.org/{name}/{number}/{number * 2654435761 % 1000003}",
            "date": f"2013-05-{number % 28 + 1:02}T08:37:26Z",
            "file_path": f"s3://crawl/segments/{number % 97}/warc/{number}.warc.gz",
            "language": "en",
            "language_score": 0.65 + number % 350 / 1000,
            "token_count": len(text) // 4,
        }


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=GROUP_ROWS, compression="zstd")


def _write_tar(path: Path, rng: np.random.Generator, first: int, count: int) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(first, first + count):
            picture = rng.bytes(int(rng.integers(*PICTURE_BYTES)))
            about = json.dumps({"label": number % 100, "caption": f"number {number}"}).encode()
            for extension, data in (("jpg", picture), ("json", about)):
                member = tarfile.TarInfo(f"{number:08}.{extension}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
