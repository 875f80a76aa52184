"""Parts of a listing that goes on: where each ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.manifest import Extent, ManifestInfo, ManifestParts, ManifestWriter, SourceSpec, Span
from penstock.units import KIB, MIB


def sizes(folder: Path, count: int, size_bytes: int) -> list[int]:
    """Return the samples of each part of so many, of one size, of which the first part takes 80."""
    told: list[int] = []

    def finish(writer: ManifestWriter) -> ManifestInfo:
        return writer.finish(
            task="objects",
            task_options={},
            source=SourceSpec(uri="s3://b"),
            seed=0,
            shape=(),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00+00:00",
            created_by="a test",
        )

    def note(path: Path, info: ManifestInfo) -> None:
        told.append(info.num_samples)

    with ManifestParts(folder, finish=finish, on_part=note, first_part_samples=80) as parts:
        for number in range(count):
            span = Span(object=f"{number}", object_bytes=size_bytes, version="v", offset=0, length_bytes=size_bytes)
            parts.add(Extent(key=f"{number}", group="g", spans=(span,)), split="train")
        parts.finish()
    return told


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (100 * KIB, [80, 160, 320, 440]),
        (MIB, [32, 64, 128, 256, 512, 8]),
        (10 * MIB, [10, 20, 40, 80, 160, 320, 370]),
        (2 * MIB + 1, [16, 32, 64, 128, 256, 504]),
    ],
)
def test_parts_are_of_twice_as_many_samples_or_bytes_each(size_bytes: int, expected: list[int], tmp_path: Path) -> None:
    assert sizes(tmp_path, 1000, size_bytes) == expected
