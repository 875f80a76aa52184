"""The shuffle that the options of ``penstock list`` ask for, as its plan holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.records import BlockShuffle, Plan, Repeat, Shuffle, read_record
from penstock.steps import listing
from penstock.steps.options.listing import ListOptions
from support.options import config_of

SAMPLE_BYTES = 32 << 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for number in range(8):
        (folder / f"{number}.bin").write_bytes(bytes(SAMPLE_BYTES))
    return folder


def list_plan(source: Path, out: Path, *words: str) -> Plan:
    files = ["--manifest", str(out / "manifest.parquet"), "--plan", str(out / "plan.json")]
    asked = ["--source", str(source), "--task", "objects", "--split", "1,0,0", *files, *words]
    assert listing.run(config_of(ListOptions, *asked)) == 0
    return read_record(out / "plan.json", Plan)


@pytest.mark.parametrize(
    ("words", "shuffle"),
    [
        ([], "full"),
        (["--shuffle", "none"], "none"),
        (["--shuffle", "full", "--shuffle-block", "0", "--shuffle-mix", ""], "full"),
        (["--shuffle", "block"], BlockShuffle(block_samples=8, blocks_mixed=8)),
        (
            ["--shuffle", "block", "--shuffle-block", "4", "--shuffle-mix", "2"],
            BlockShuffle(block_samples=4, blocks_mixed=2),
        ),
    ],
)
def test_the_plan_holds_what_is_asked_for(source: Path, tmp_path: Path, words: list[str], shuffle: Shuffle) -> None:
    assert list_plan(source, tmp_path, *words).shuffle == shuffle


@pytest.mark.parametrize(
    ("words", "repeat"),
    [
        ([], None),
        (["--repeat", "1", "--repeat-part", ""], None),
        (["--repeat", "3"], Repeat(part_extents=2867, passes=3)),  # 0.35 of 256 MiB
        (["--repeat", "2", "--repeat-part", "65Ki"], Repeat(part_extents=2, passes=2)),
        (["--repeat", "2", "--repeat-part", "1"], Repeat(part_extents=1, passes=2)),
    ],
)
def test_the_plan_holds_parts_that_repeat(source: Path, tmp_path: Path, words: list[str], repeat: Repeat) -> None:
    assert list_plan(source, tmp_path, *words).repeat == repeat


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shuffle-block", "4"], "--shuffle-block 4 is given with --shuffle full: pass --shuffle block"),
        (["--shuffle", "none", "--shuffle-mix", "2"], "--shuffle-mix 2 is given with --shuffle none"),
        (["--shuffle", "block", "--shuffle-block", str(1 << 20), "--shuffle-mix", str(1 << 20)], "cannot be shuffled"),
        (["--repeat-part", "4Gi"], "--repeat-part 4.0 GiB is given with --repeat 1: pass --repeat 2 or more"),
        (["--repeat", "3", "--stream-listing"], "--repeat 3 with --stream-listing"),
        (["--repeat", "100000"], "read 100000 times each, cannot be made"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_listing(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list_plan(tmp_path / "nothing", tmp_path, *words)
