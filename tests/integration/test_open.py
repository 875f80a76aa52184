"""``penstock.open``: a dataset described by a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import penstock
from penstock.dataset.schema import dataset_schema
from support.images import write_labelled

pytestmark = pytest.mark.usefixtures("children_are_forked")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tables").mkdir()
    for number in range(2):
        ids = np.arange(number * 60, number * 60 + 60)
        table = pa.table({"id": ids, "patient": [f"p{each % 11}" for each in ids], "more": ids})
        pq.write_table(table, folder / "tables" / f"{number}.parquet", row_group_size=20)
    (folder / "images").mkdir()
    write_labelled(folder / "images", 24)
    return folder


def described(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "d.yaml"
    path.write_text(text)
    jsonschema.validate(yaml.safe_load(text), dataset_schema())
    return path


def test_a_part_of_a_table(data: Path, tmp_path: Path) -> None:
    path = described(
        tmp_path,
        f"""
        format: parquet
        source: {data}/tables
        columns: [id, patient]
        match: "[01].parquet"
        where: "1.*"
        split:
          valid: 0.4
          by: patient
          seed: 1
        part: valid
        """,
    )
    dataset = penstock.open(path)
    whole = penstock.parquet(data / "tables", columns=["id", "patient"], match="[01].parquet").where("1.*")
    expected = whole.split(valid=0.4, by="patient", seed=1)
    assert isinstance(dataset, penstock.Dataset)
    assert dataset.manifest().fingerprint == expected[1].manifest().fingerprint
    assert dataset.data == expected[1].data
    assert penstock.open(str(path), part="train").data == expected[0].data  # type: ignore[union-attr]


def test_images_of_a_table(data: Path, tmp_path: Path) -> None:
    path = described(
        tmp_path, f"format: images\nsource: {data}/images\nlabels: labels.tsv\nsize: 16\nnormalize: half\n"
    )
    dataset = penstock.open(path)
    assert isinstance(dataset, penstock.Dataset)
    assert dataset.manifest().num_samples == 24
    own = described(tmp_path, f"format: images\nsource: {data}/images\nlabels: labels.tsv\nsplit: part\npart: valid\n")
    assert penstock.open(own).options["split_column"] == "part"  # type: ignore[union-attr]


def test_a_mix_with_mixes_within(data: Path, tmp_path: Path) -> None:
    text = f"""
        mix:
          - weight: {{0: 3, 2: 0}}
            most_samples: 50
            format: parquet
            source: {data}/tables
            columns: id
          - weight: 1.0
            mix:
              - {{format: parquet, source: {data}/tables, columns: id}}
              - {{format: parquet, source: {data}/tables, columns: id, most_epochs: 2}}
            temperature: 2
            stop: repeat
            samples: 40
        stop: repeat
        samples: 40
        """
    path = tmp_path / "d.yaml"
    path.write_text(text)
    mixed = penstock.open(path)
    jsonschema.validate(yaml.load(text, StringKeys), dataset_schema())
    assert isinstance(mixed, penstock.Mixed)
    assert mixed.weighed.epochs == (0, 2)
    assert [(each.most_samples, each.most_epochs) for each in mixed.limits] == [(50, None), (None, None), (None, 2)]
    with mixed.loader(20, window="16Mi") as loader:
        assert [len(batch["id"]) for batch in loader] == [20, 20]
        assert [share.given for share in loader.shares] == [30, 5, 5]
        assert [share.share for share in loader.shares] == [0.75, 0.125, 0.125]


class StringKeys(yaml.SafeLoader):
    """Reads names as JSON has them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        return {str(key): value for key, value in super().construct_mapping(node, deep).items()}


def test_a_mix(data: Path, tmp_path: Path) -> None:
    path = described(
        tmp_path,
        f"""
        mix:
          - {{weight: 3, format: parquet, source: {data}/tables, columns: id}}
          - format: parquet
            source: {data}/tables
            select: [id]
            where: ["0.*", "x.*"]
            weight: 1.0
        seed: 4
        stop: all
        """,
    )
    mixed = penstock.open(path)
    assert isinstance(mixed, penstock.Mixed)
    assert (mixed.seed, mixed.stop, [share for _, share in mixed.members]) == (4, "all", [0.75, 0.25])
    with mixed.loader(16, window="16Mi") as loader:
        assert set(next(iter(loader))) == {"id"}
