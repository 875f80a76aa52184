"""Tables of whatever format gives rows by column: the same numbers, splits and errors as of Parquet."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pytest

from penstock.errors import ConfigError, DataError, PenstockError
from penstock.manifest import Extent
from support.found_packages import found_packages
from support.tables import list_tables, people, write_csv, write_parquet

COLUMNS = "age,city,noise,member"


def as_jsonl(table: pa.Table) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in table.to_pylist())


def as_json(table: pa.Table) -> bytes:
    return json.dumps(table.to_pylist(), indent=1).encode()


def as_arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    feather.write_feather(table, sink, compression="lz4", chunksize=90)
    return sink.getvalue().to_pybytes()


def packed(table: pa.Table) -> bytes:
    return gzip.compress(as_jsonl(table))


def write(folder: Path, table: pa.Table, ending: str, made: Callable[[pa.Table], bytes]) -> Path:
    folder.mkdir()
    half = table.num_rows // 2
    for number in range(2):
        (folder / f"{number}.{ending}").write_bytes(made(table.slice(number * half, half)))
    return folder


KINDS = [("jsonl", as_jsonl), ("ndjson", as_jsonl), ("JSONL.GZ", packed), ("json", as_json), ("arrow", as_arrow)]


@pytest.mark.parametrize(("ending", "made"), KINDS)
@pytest.mark.parametrize("options", [{"group_column": "patient"}, {"split_column": "part"}])
def test_rows_of_each_format_are_those_of_parquet(
    tmp_path: Path, ending: str, made: Callable[[pa.Table], bytes], options: dict[str, str]
) -> None:
    table = people(400)
    parts = pa.array([("train", "train", "valid", "test")[number // 4 % 4] for number in range(400)])
    table = table.set_column(table.column_names.index("part"), "part", parts)
    asked = {"target": "label", "columns": COLUMNS, **options}
    found = list_tables(write(tmp_path / "rows", table, ending, made), **asked)
    wanted = list_tables(write_parquet(tmp_path / "parquet", table, group_rows=400), **asked)
    assert found.info.classes == wanted.info.classes
    for split in ("train", "valid", "test"):
        (inputs, targets), (others, wanted_targets) = found.of(split), wanted.of(split)
        assert len(inputs)
        np.testing.assert_array_equal(targets, wanted_targets)
        if "group_column" in options:  # a column's train split may be cut further, which one pass cannot know
            np.testing.assert_array_equal(inputs, others)
        assert [key.partition("#")[2] for key in found.keys(split)] == [
            key.partition("#")[2] for key in wanted.keys(split)
        ]


@pytest.mark.parametrize("predict", ["price", "label"])
def test_means_and_categories_are_the_training_splits_alone(tmp_path: Path, predict: str) -> None:
    table = people(600)
    found = list_tables(
        write(tmp_path / "in", table, "jsonl", as_jsonl), target=predict, columns="age,noise", block="9Ki"
    )
    inputs, _ = found.of("train")
    known = inputs[:, 1] == 0
    for numbers in (inputs[known, 0], inputs[:, 2]):
        assert abs(numbers.mean()) < 1e-5
        assert abs(numbers.std() - 1) < 1e-5
    assert abs(found.of("valid")[0][:, 2].mean()) > 1e-3
    assert len(found.extents) > 6


def rows_of(folder: Path, rows: Sequence[Any]) -> Path:
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_what_rows_lack_is_missing_and_nested_columns_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"y": n % 2 == 0, "a": n / 3, "tags": ["x"], "big": 2**70 + n, "mixed": n if n % 3 else "many", "raw": {"k": n}}
        for n in range(200)
    ]
    for row in rows[::5]:
        del row["a"]
    found = list_tables(rows_of(tmp_path / "in", rows), target="y", categorical="mixed")
    assert found.info.classes == ("false", "true")
    assert found.left_out["column tags"] == "is of the type list"
    assert found.left_out["column raw"] == "is of the type dict"
    inputs, _ = found.of("train")
    assert set(inputs[:, 1]) == {0, 1}


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        ([{"y": 1, "a": 2}] * 9 + [3], {"target": "y"}, "a.jsonl/1, row 9 has no columns, but is 3"),
        (
            [{"y": n, "a": n if n < 8 else [1]} for n in range(9)],
            {"target": "y", "columns": "a"},
            "the column a of a.jsonl is of the type list, neither numbers nor text",
        ),
        (
            [{"y": n, "a": n if n < 99 else [1]} for n in range(100)],
            {"target": "y", "block": "100"},
            "a is [1], neither a number nor text",
        ),
        ([{"y": n, "a": n} for n in range(9)], {"target": "z"}, "a.jsonl has no column 'z'"),
        ([{"y": n, "a": n} for n in range(9)], {"target": "y", "delimiter": "tab"}, "means nothing of jsonl"),
        ([{"y": n, "a": n} for n in range(9)], {"target": "y", "memory": "1Gi"}, "means nothing of jsonl"),
        ([{"y": n, "a": n} for n in range(9)], {"target": "y", "format": "text"}, "text gives no rows by column"),
        ([{"y": n, "a": n} for n in range(9)], {"target": "y", "format": "jsnl"}, "there is no format 'jsnl'"),
    ],
)
def test_what_cannot_be_a_table_is_named(tmp_path: Path, rows: Any, options: dict[str, str], told: str) -> None:
    with pytest.raises((DataError, ConfigError)) as caught:
        list_tables(rows_of(tmp_path / "in", rows), **options)
    assert told in caught.value.what


def test_a_first_file_without_rows_is_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", people(200), "json", as_json)
    (folder / "-empty.json").write_text("[]")
    found = list_tables(folder, target="label", columns=COLUMNS)
    assert sum(extent.num_samples for extent in found.extents) == 200
    assert found.left_out["-empty.json"] == "has no rows"
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.jsonl").write_text("\n")
    with pytest.raises(PenstockError, match="none of the tables has rows"):
        list_tables(tmp_path / "none", target="label")


def test_what_lies_beside_tables_is_no_table(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "in", people(300))
    (folder / "0-infos.json").write_text('{"rows": 300}')
    found = list_tables(folder, target="label", columns=COLUMNS)
    assert sum(extent.num_samples for extent in found.extents) == 300
    assert any(reason.startswith("of the format json, where more is of csv") for reason in found.left_out.values())


OWN = """
import json
import numpy as np
from penstock.manifest import Extent

class Pairs:
    table_endings = ("pairs",)

    async def index(self, source, info):
        data = bytes(await source.get_range(info, 0, info.size_bytes))
        count = data.count(b"\\n")
        yield Extent(key=info.key + "/0", group=info.key, spans=(info.span(0, info.size_bytes),), num_samples=count,
                     args=tuple((count - 1 - n,) for n in range(count)))

    def decode(self, data, about, codec, numbers):
        lines = bytes(data).splitlines()
        rows = [lines[about.args[n][0]].split() for n in numbers.tolist()]
        return [{"y": np.float32(float(y)), "x": np.int16(int(x))} for y, x in rows]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[None]:
    """Install a package with a format, and one whose format cannot be imported."""
    info = tmp_path / "site" / "pairs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pairs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[penstock.formats]\npairs = pairs_of_rows:Pairs\nbroken = no_such_module:X\n"
    )
    (tmp_path / "site" / "pairs_of_rows.py").write_text(OWN)
    with found_packages(tmp_path / "site"):
        yield


@pytest.mark.usefixtures("site")
def test_a_format_of_another_package_is_a_tables(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pairs").write_text("".join(f"{3 * n + 0.5} {n}\n" for n in range(100)))
    found = list_tables(tmp_path / "in", target="y")
    inputs, targets = found.of("train")
    assert inputs.shape[1] == 1
    assert np.corrcoef(inputs[:, 0], targets)[0, 1] == pytest.approx(1)
    assert all((target - 0.5) % 3 == 0 for target in targets)
    rows = [int(key.partition("#")[2]) for key in found.keys("train")]
    assert [3 * (99 - row) + 0.5 for row in rows] == targets.tolist()
    with pytest.raises(PenstockError, match="broken"):
        list_tables(tmp_path / "in", target="y", format="broken")


def test_an_extent_is_told_of_in_its_codec_alone(tmp_path: Path) -> None:
    found = list_tables(write(tmp_path / "in", people(200), "jsonl", as_jsonl), target="label", columns="age")
    assert all(isinstance(extent, Extent) and len(extent.codec) < 2000 for extent in found.extents)
