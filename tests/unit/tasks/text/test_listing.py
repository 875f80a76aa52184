"""Texts as they are listed: which are in which split, and what tokens they are again in another process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import ConfigError, DataError, EmptyListing, PenstockError
from penstock.manifest import Extent, ManifestInfo, ManifestReader, SourceSpec
from penstock.sources import RequestMeter, open_source
from penstock.steps._shared.manifest_making import make_manifest
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task
from penstock.tasks.text.codec import maker_of
from support.texts import conversations, jsonl

tokenizer = pytest.importorskip("support.chats", reason="tokenizers is not installed", exc_type=ImportError).tokenizer

ROWS = [{"text": f"number {n}, ü", "author": str(n // 5)} for n in range(100)]


@dataclass(frozen=True)
class Listed:
    """A listing of texts.

    Attributes:
        texts: of each split, by what names each.
    """

    info: ManifestInfo
    extents: list[Extent]
    texts: dict[str, dict[str, str]]
    labels: list[Any]


def listed(folder: Path, *, task: str = "text", split_by_sample: bool = False, **options: Any) -> Listed:
    path, of = folder.parent / f"{folder.name}.manifest", get_task(task)
    info = asyncio.run(
        make_manifest(
            open_source(SourceSpec(uri=str(folder)), meter=RequestMeter()),
            of,
            path=path,
            limits=Limits(),
            options={option.name: option.default for option in of.options} | options,
            fractions=(0.6, 0.2, 0.2),
            by_sample=split_by_sample,
            seed=0,
        )
    )
    maker_of.cache_clear()
    texts: dict[str, dict[str, str]] = {}
    extents, labels = [], []
    with ManifestReader(path) as reader:
        for split in reader.info.splits:
            for extent in reader.rows(split.name) if split.num_samples else ():
                extents.append(extent)
                data = b"".join(
                    (folder / span.object).read_bytes()[span.offset :][: span.length_bytes] for span in extent.spans
                )
                found: Any = of.decode(memoryview(data), extent, extent.codec, np.arange(extent.num_samples))
                for number, value in enumerate(found):
                    ids = [token for token in value["inputs"].tolist() if token < 256]
                    texts.setdefault(split.name, {})[found.key_of(number)] = bytes(ids).decode(errors="replace")
                    labels.append(value)
    return Listed(info=info, extents=extents, texts=texts, labels=labels)


def write(folder: Path, rows: Sequence[object] = ROWS, name: str = "a.jsonl") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(jsonl(rows))
    return folder


def all_of(found: Listed) -> list[str]:
    return sorted(text for of in found.texts.values() for text in of.values())


def test_every_text_is_in_one_split_and_named_by_its_row(tmp_path: Path) -> None:
    found = listed(write(tmp_path / "in"), length=32)
    assert all_of(found) == sorted(row["text"] for row in ROWS)
    assert set(found.texts) == {"train", "valid", "test"}
    assert found.info.shape == (32, 257)
    for of in found.texts.values():
        for key, text in of.items():
            assert text == ROWS[int(key.partition("#")[2])]["text"]
    assert all(value["inputs"][-1] == 256 and value["bytes"] == len(value["inputs"]) - 1 for value in found.labels)


def test_groups_stay_whole(tmp_path: Path) -> None:
    found = listed(write(tmp_path / "in"), group_column="author")
    assert all_of(found) == sorted(row["text"] for row in ROWS)
    authors = [{int(text.split()[1].strip(",")) // 5 for text in of.values()} for of in found.texts.values()]
    assert sum(map(len, authors)) == len(set().union(*authors)) == 20


def test_blocks_are_fetched_for_one_split_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(25):
        write(folder, ROWS[number * 4 :][:4], f"{number}.jsonl")
    found = listed(folder, split_unit="blocks")
    assert len({extent.spans[0].object for extent in found.extents}) == len(found.extents) == 25


def test_files_are_of_the_splits_that_their_names_say(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name, rows in (("train", ROWS[:50]), ("validation", ROWS[50:70]), ("other", ROWS[70:])):
        write(folder, rows, f"data/{name}-00000-of-00001.jsonl")
    found = listed(folder, split_files=True)
    assert sorted(found.texts["valid"].values()) == sorted(row["text"] for row in ROWS[50:70])
    trained = {*found.texts["train"].values(), *found.texts["test"].values()}
    assert trained == {row["text"] for row in ROWS[:50]}
    assert any("of no split" in each.reason for each in found.info.skipped)
    with pytest.raises(ConfigError, match="no file is of the training split"):
        listed(write(tmp_path / "none", name="test/a.jsonl"), split_files=True)


def test_parquet_is_read_for_its_column_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rows = [{**row, "large": "x" * 1000 + str(row)} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet", row_group_size=25)
    found = listed(folder)
    assert all_of(found) == sorted(row["text"] for row in ROWS)
    assert all(extent.size_bytes < 2000 for extent in found.extents)


@pytest.mark.parametrize(
    ("options", "count"), [({"by": "line"}, 4), ({}, 2), ({"by": "file"}, 1), ({"separator": "---"}, 3)]
)
def test_plain_text_is_cut_as_asked_for(options: dict[str, Any], count: int, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(10):
        (folder / f"{number}").mkdir(parents=True)
        (folder / f"{number}" / "a.txt").write_text("one\ntwo---\n\nthree---\nfour")
    assert len(all_of(listed(folder, **options))) == 10 * count


def test_conversations_are_learnt_where_assistants_speak(tmp_path: Path) -> None:
    rows = conversations(40)
    found = listed(write(tmp_path / "in", rows), task="chat")
    for value in found.labels:
        learnt = bytes(token for token in value["labels"].tolist() if token >= 0).decode()
        assert learnt.endswith("<|im_end|>\n")
        assert learnt.removesuffix("<|im_end|>\n").isalpha()
        assert value["bytes"] == len(learnt)


def test_a_trained_tokenizer_is_the_same_each_time_and_lies_in_the_manifest(tmp_path: Path) -> None:
    one = listed(write(tmp_path / "one"), tokenizer="bpe", vocab_size=320)
    other = listed(write(tmp_path / "other"), tokenizer="bpe", vocab_size=320)
    assert one.info.values == other.info.values
    assert one.info.shape == (256, 320)
    like = listed(write(tmp_path / "like", conversations(30)), task="chat", like=str(tmp_path / "one.manifest"))
    assert like.info.values == one.info.values
    text = maker_of(json.loads(one.extents[0].codec)["maker"]).tokenizer
    assert text.encode("number 7, ü").ids.max() < 320


def test_a_large_tokenizer_is_named_by_its_place_and_refused_once_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.tasks.text.codec.MOST_KEPT_BYTES", 100)
    place = tmp_path / "tokenizer.json"
    tokenizer().save(str(place))
    found = listed(write(tmp_path / "in"), tokenizer=str(place), eos="</s>")
    told = json.loads(found.extents[0].codec)["maker"]
    assert len(told) < 1000
    place.write_text(place.read_text().replace('"</s>"', '"</t>"'))
    maker_of.cache_clear()
    with pytest.raises(DataError, match="is another one than when the dataset was listed"):
        maker_of(told)


BAD: list[tuple[dict[str, Any], type[PenstockError], str]] = [
    ({"column": "txet"}, ConfigError, "txet"),
    ({"tokenizer": "bpe", "vocab_size": 10}, ConfigError, "vocab-size is 10"),
    ({"tokenizer": "bpe", "eos": "</s>"}, ConfigError, "eos '</s>' is no token"),
    ({"format": "parquett"}, ConfigError, "parquett"),
    ({"group_column": "nobody"}, PenstockError, "nobody"),
    ({"long": "cut"}, ConfigError, "use one of split, drop"),
    ({"statistics": "much"}, ConfigError, "much"),
    ({"match": "*.none"}, EmptyListing, "fits"),
]


@pytest.mark.parametrize(("options", "kind", "told"), BAD)
def test_what_cannot_be_is_told(options: dict[str, Any], kind: type[PenstockError], told: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=told):
        listed(write(tmp_path / "in"), **options)


@pytest.mark.parametrize("bad", [{"text": None}, {"text": 7}, {"text": ["a"]}])
def test_a_row_without_text_is_for_whoever_trains_unless_there_is_no_other(bad: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="text is no text"):
        listed(write(tmp_path / "all", [bad] * 30))
    with pytest.raises(DataError, match="text is no text"):  # by what decodes it
        listed(write(tmp_path / "one", [bad, *ROWS]))
    assert (tmp_path / "one.manifest").exists()
