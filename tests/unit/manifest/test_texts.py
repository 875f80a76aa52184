"""Columns of a manifest in memory: what is asked of them is what lies in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.manifest import Extent, ManifestWriter, SourceSpec, Span
from penstock.manifest.texts import Texts, narrow

WORDS = st.one_of(
    st.lists(st.text(max_size=6), max_size=40),
    st.lists(st.sampled_from(["", "a", "né", "same"]), max_size=40),
    st.builds(lambda text, count: [text] * count, st.text(max_size=6), st.integers(0, 40)),
)


@given(WORDS, st.integers(0, 5))
def test_texts_are_those_of_the_column(words: list[str], skipped: int) -> None:
    column = pa.array(words, pa.string())[skipped:]
    words = words[skipped:]
    texts = Texts(column)
    assert [texts[row] for row in range(len(words))] == words
    rows = np.arange(len(words))[::-1].repeat(2)
    assert texts.take(rows).tolist() == [words[row] for row in rows.tolist()]


def test_long_texts_that_repeat_are_kept_once() -> None:
    words = [f"{number % 10:0300}" for number in range(3000)]
    texts = Texts(pa.array(words))
    assert texts.size_bytes < 20_000
    assert texts.take(np.arange(3000)).tolist() == words


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_narrow_numbers_are_the_same(numbers: list[int]) -> None:
    assert narrow(pa.array(numbers, pa.int64())).tolist() == numbers


PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from penstock.manifest import ManifestReader
with ManifestReader(Path(sys.argv[1])) as reader:
    rows = reader.take(np.array([2, 0]))
assert rows.keys == ["k2", "k0"], rows.keys
print("pyarrow.compute" in sys.modules, "numpy.ma" in sys.modules)
"""


def test_reading_rows_does_without_modules_that_are_slow_to_import(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    with ManifestWriter(path) as writer:
        for number in range(3):
            span = Span(object=f"k{number}", version=f"e{number}", object_bytes=8, offset=0, length_bytes=8)
            sample = Extent(key=f"k{number}", group="", spans=(span,), codec="{}", targets=(0.0,))
            writer.add(sample, split="train")
        writer.finish(
            task="raw",
            task_options={},
            source=SourceSpec(uri="s3://bucket"),
            seed=0,
            shape=(8,),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00Z",
            created_by="test",
        )
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


WRITES = """
import sys
import numpy as np
from pathlib import Path
from penstock.manifest import Extent, ManifestReader, ManifestWriter, SourceSpec, Span
path, num_groups = Path(sys.argv[1]), int(sys.argv[2])
with ManifestWriter(path) as writer:
    for number in range(60):
        span = Span(object=f"k{number}", version=f"e{number}", object_bytes=8, offset=0, length_bytes=8)
        group = f"g{number % num_groups}"
        writer.add(Extent(key=f"k{number}", group=group, spans=(span,), codec="{}", targets=(0.0,)), split="train")
    writer.finish(task="raw", task_options={}, source=SourceSpec(uri="s3://bucket"), seed=0, shape=(8,), classes=(),
        skipped=(), created_at="2026-01-01T00:00:00Z", created_by="test")
with ManifestReader(path) as reader:
    rows = reader.take(np.array([2, 0]))
assert rows.groups == [f"g{2 % num_groups}", "g0"], rows.groups
print("pyarrow.compute" in sys.modules)
"""


@pytest.mark.parametrize("num_groups", [1, 7, 60])
def test_writing_few_rows_does_without_what_is_slow_to_import(tmp_path: Path, num_groups: int) -> None:
    words = [sys.executable, "-c", WRITES, tmp_path / "manifest.parquet", str(num_groups)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


READS_PARTS = """
import sys
import pyarrow as pa
from penstock.manifest.texts import Texts
for part in range(12):
    texts = Texts(pa.array([f"{part}-{number // 400}.tar" for number in range(2048)]))
    assert texts[900] == f"{part}-2.tar"
print("pyarrow.compute" in sys.modules)
"""


def test_reading_several_parts_does_without_what_is_slow_to_import() -> None:
    done = subprocess.run([sys.executable, "-c", READS_PARTS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
