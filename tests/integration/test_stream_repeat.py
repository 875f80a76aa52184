"""``repeat``: parts that are read several times before the next, as a user of the library sees them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import CheckpointMismatch

pytestmark = pytest.mark.usefixtures("children_are_forked")

OBJECTS, OBJECT_BYTES, ROWS = 48, 20_000, 25
PART = "160KB"
"""Eight objects."""


def to_number(data: memoryview, key: str) -> int:
    return int(key.partition(".")[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("objects")
    for number in range(OBJECTS):
        (made / f"{number:03}.bin").write_bytes(bytes(OBJECT_BYTES))
    return made


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lines")
    for number in range(OBJECTS):
        rows = [json.dumps({"id": number * ROWS + row, "pad": "x" * 700}) for row in range(ROWS)]
        (made / f"{number:03}.jsonl").write_text("\n".join(rows) + "\n")
    return made


def objects(folder: Path, **options: Any) -> penstock.Stream:
    asked: dict[str, Any] = {"window": "1Mi", "batch_size": 5, "repeat": 3, "repeat_part": PART}
    return penstock.Stream(folder, decode=to_number, **(asked | options))


def rows_of(folder: Path, **options: Any) -> penstock.Stream:
    asked: dict[str, Any] = {"window": "2Mi", "repeat": 3, "repeat_part": PART}
    return penstock.jsonl(folder, columns=["id"]).loader(20, **(asked | options))


def numbers(batch: Any) -> list[int]:
    return np.asarray(batch["id"] if isinstance(batch, dict) else batch).tolist()


def read(stream: penstock.Stream, epochs: int = 1) -> list[int]:
    with stream:
        return [number for _ in range(epochs) for batch in stream for number in numbers(batch)]


def test_an_epoch_has_each_sample_so_many_times_part_by_part(folder: Path) -> None:
    with objects(folder, epochs=1) as stream:
        assert len(stream) == -(-3 * OBJECTS // 5)
        found = read(stream)
        meters = stream.meters()
    assert Counter(found) == dict.fromkeys(range(OBJECTS), 3)
    for start in range(0, len(found), 24):
        part = found[start : start + 24]
        assert len({number // 8 for number in part}) == 1
        passes = [tuple(part[at : at + 8]) for at in (0, 8, 16)]
        assert len(set(passes)) == 3
        assert all(len(set(one)) == 8 for one in passes)
    assert meters.bytes_downloaded == OBJECTS * OBJECT_BYTES


def test_rows_of_extents_that_hold_many_come_as_often(lines: Path) -> None:
    found = read(rows_of(lines))
    assert Counter(found) == dict.fromkeys(range(OBJECTS * ROWS), 3)
    third = [set(part) for part in np.array_split(np.array(found[: 24 * ROWS]), 3)]
    assert third[0] & third[1]  # a part comes again before the next


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("made", "places"), [(objects, (11,)), (rows_of, (60,))])
def test_it_goes_on_exactly_from_any_place(
    folder: Path, lines: Path, made: Any, places: tuple[int, ...], workers: int
) -> None:
    where = folder if made is objects else lines
    with made(where, seed=3) as stream:
        whole = [numbers(batch) for batch in stream]
    for place in places:
        with made(where, seed=3, workers=workers) as stream:
            batches = iter(stream)
            assert [numbers(next(batches)) for _ in range(place)] == whole[:place]
            state = stream.state_dict()
        with made(where, seed=3, workers=workers) as stream:
            stream.load_state_dict(state)
            assert [numbers(batch) for batch in stream] == whole[place:]


def test_a_place_of_other_parts_is_refused_by_name(folder: Path) -> None:
    with objects(folder, epochs=1) as stream:
        next(iter(stream))
        state = stream.state_dict()
    with (
        objects(folder, repeat=1, repeat_part=None) as stream,
        pytest.raises(CheckpointMismatch, match="repeated parts"),
    ):
        stream.load_state_dict(state)


@pytest.mark.parametrize("made", [objects, rows_of])
def test_two_ranks_read_what_one_reads(folder: Path, lines: Path, made: Any) -> None:
    where = folder if made is objects else lines
    times = 3 * (OBJECTS if made is objects else OBJECTS * ROWS)
    found: Counter[int] = Counter()
    for rank in range(2):
        found.update(read(made(where, rank=rank, world_size=2)))
    assert found.total() == times
    assert set(found.values()) == {3}


def test_chance_is_another_in_each_pass_and_the_same_again(folder: Path, lines: Path) -> None:
    def draw(value: Any, rng: np.random.Generator) -> Any:
        return {"id": value["id"] if isinstance(value, dict) else value, "drawn": rng.random()}

    for made, where in ((objects, folder), (rows_of, lines)):
        drawn: list[dict[int, list[float]]] = []
        for _ in range(2):
            with made(where, transform=draw) as stream:
                seen: dict[int, list[float]] = {}
                for batch in stream:
                    for number, chance in zip(numbers(batch), batch["drawn"].tolist(), strict=True):
                        seen.setdefault(number, []).append(chance)
            drawn.append(seen)
        assert drawn[0] == drawn[1]
        assert all(len(set(each)) == 3 for each in drawn[0].values())
