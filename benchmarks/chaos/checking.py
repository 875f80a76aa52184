"""What ranks wrote down, against what the plan says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.dataset import NUM_LANES, Dataset
from benchmarks.chaos.setting import Checked
from benchmarks.chaos.trainer import BATCH_SIZE
from penstock.manifest import ManifestReader
from penstock.plan import rank_batches, stream_rows

__all__ = ["check", "planned_keys", "read_journal"]

DIGEST_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Given:
    """A sample that a rank was given."""

    attempt: int
    index: int
    key: str
    digest: str


def planned_keys(dataset: Dataset) -> dict[int, str]:
    """Return the key that belongs to each stream index."""
    with ManifestReader(dataset.manifest) as manifest:
        rows = [(index, row) for index, row in stream_rows(dataset.spec.order, 0, dataset.spec.end_index)]
        keys = {row: manifest.row(row).key for row in {row for _, row in rows}}
    return {index: keys[row] for index, row in rows}


def rank_indices(dataset: Dataset, rank: int) -> list[int]:
    """Return a rank's stream indices, in order."""
    batches = rank_batches(
        dataset.spec.order,
        first_index=0,
        end_index=dataset.spec.end_index,
        batch_size=BATCH_SIZE,
        num_lanes=NUM_LANES,
        rank=rank,
        world_size=dataset.spec.num_ranks,
    )
    return [index for batch in batches for index in batch.indices.tolist()]


def read_journal(journal: Path, attempts: Sequence[int]) -> tuple[list[Given], int]:
    """Return what counts of a rank's journal, and how many samples were read past a place that was gone back to."""
    lines = map(str.split, journal.read_text().splitlines() if journal.exists() else [])
    # A kill may cut a line: its batch is not covered by any place.
    whole = [fields for fields in lines if len(fields) == 4 and len(fields[3]) == DIGEST_CHARACTERS]
    found = [Given(int(attempt), int(index), key, digest) for attempt, index, key, digest in whole]
    by_attempt: dict[int, list[Given]] = {}
    for given in found:
        by_attempt.setdefault(given.attempt, []).append(given)
    counted: list[Given] = []
    for attempt, first in enumerate(attempts, 1):
        # The place was saved behind what it covers; whatever was read past it does not count.
        while counted and counted[-1].index >= first:
            counted.pop()
        counted += by_attempt.get(attempt, [])
    return counted, len(found) - len(counted)


def check(folder: Path, dataset: Dataset, attempts: Sequence[int]) -> tuple[Checked, int]:
    """Compare what all ranks were given with the plan; give that, and how many samples were read again."""
    keys, all_given, read_again, disorder, wrong = planned_keys(dataset), Counter[int](), 0, 0, 0
    for rank in range(dataset.spec.num_ranks):
        given, again = read_journal(folder / f"journal-{rank}", attempts)
        read_again += again
        wanted = rank_indices(dataset, rank)
        disorder += sum(one.index != index for one, index in zip(given, wanted, strict=False))
        disorder += abs(len(given) - len(wanted))
        wrong += sum(one.key != keys.get(one.index) or one.digest != dataset.digests.get(one.key) for one in given)
        all_given.update(one.index for one in given)
    return Checked(
        samples_due=dataset.spec.end_index,
        samples_counted=all_given.total(),
        lost=len(keys.keys() - all_given.keys()),
        repeated=sum(count - 1 for count in all_given.values()),
        out_of_order=disorder,
        wrong_bytes=wrong,
    ), read_again
