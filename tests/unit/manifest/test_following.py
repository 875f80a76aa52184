"""Following a listing that another process writes: parts in order, and its failure in the place of what is missing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from penstock.errors import AccessDenied, ProcessLost, SourceChanged, SourceUnavailable
from penstock.manifest import Extent, ListingWriter, ManifestWriter, SourceSpec, parts_folder
from penstock.manifest.following import FollowedListing
from penstock.records import FailureRecord, Plan, write_record

FAILURE = FailureRecord(
    step="list", error="AccessDenied", exit_code=21, retryable=False, what="denied", fix="ask", failed_at="2026"
)


class Lister:
    """Writes parts of one sample each, named by its key."""

    def __init__(self, folder: Path) -> None:
        self.manifest, self.plan = folder / "m.parquet", folder / "plan.json"
        self.writer = ListingWriter(parts_folder(self.manifest))
        self._num_parts = 0

    def part(self, key: str) -> str:
        path = self.writer.folder / f"{self._num_parts:05}.parquet"
        fingerprint = self._write(path, path.with_suffix(".json"), key)
        self.writer.add_part(fingerprint)
        self._num_parts += 1
        return fingerprint

    def end(self, key: str) -> str:
        fingerprint = self._write(self.manifest, self.plan, key)
        self.writer.end(fingerprint)
        return fingerprint

    def _write(self, manifest: Path, plan: Path, key: str) -> str:
        with ManifestWriter(manifest) as writer:
            writer.add(Extent(key=key, group="g", spans=(), targets=(1.0,)), split="train")
            info = writer.finish(
                task="eeg-c1", task_options={}, source=SourceSpec(uri="s3://b"), seed=0, shape=(1, 32), classes=(),
                skipped=(), created_at="2026", created_by="test",
            )  # fmt: skip
        write_record(plan, Plan(manifest_fingerprint=info.fingerprint, seed=0, num_lanes=1, shuffle="full", mix=1))
        return info.fingerprint

    def follow(self, *, timeout_seconds: float = 5.0) -> FollowedListing:
        return FollowedListing(self.manifest, self.plan, timeout_seconds=timeout_seconds)


def test_parts_come_as_they_are_written_and_the_whole_at_the_end(tmp_path: Path) -> None:
    lister = Lister(tmp_path)
    followed = lister.follow()
    found: list[str | None] = []

    def follow() -> None:
        for number in range(3):
            part = followed.part(number)
            found.append(part and part.info.fingerprint)
        found.append(followed.whole().info.fingerprint)

    trainer = threading.Thread(target=follow, daemon=True)
    trainer.start()
    with lister.writer:
        first = lister.part("a")
        trainer.join(0.2)
        assert found in ([], [first])
        second = lister.part("b")
        trainer.join(0.2)
        whole = lister.end("all")
    trainer.join(5)
    assert found == [first, second, None, whole]
    again = lister.follow(timeout_seconds=0)
    assert again.part(2) is None
    assert again.whole().info.fingerprint == whole


def test_a_failure_comes_in_the_place_of_the_part_that_is_missing(tmp_path: Path) -> None:
    lister = Lister(tmp_path)
    followed = lister.follow()
    with lister.writer:
        first = lister.part("a")
        followed.part(0)
        second = lister.part("b")
        lister.writer.fail(FAILURE)
    assert [followed.part(number).info.fingerprint for number in (0, 1)] == [first, second]  # type: ignore[union-attr]
    for ask in (lambda: followed.part(2), followed.whole):
        with pytest.raises(AccessDenied, match="denied: ask"):
            ask()
    # Who comes later and waits for another attempt in vain is told why the last one failed.
    with pytest.raises(AccessDenied):
        lister.follow(timeout_seconds=0.1).part(0)


def test_what_a_killed_listing_left_is_not_taken_for_one_that_goes_on(tmp_path: Path) -> None:
    lister = Lister(tmp_path)
    followed = lister.follow()
    with lister.writer:
        lister.part("a")
        followed.part(0)
    with pytest.raises(ProcessLost, match="ended without a word"):
        followed.part(1)
    with pytest.raises(SourceUnavailable, match=r"none came within 0\.1 s"):
        lister.follow(timeout_seconds=0.1).part(0)


def test_a_listing_that_is_begun_anew_goes_on_if_it_gives_the_same(tmp_path: Path) -> None:
    lister = Lister(tmp_path)
    same, other = lister.follow(), lister.follow()
    with lister.writer:
        lister.part("a")
        same.part(0)
        other.part(0)
    again = Lister(tmp_path)
    with again.writer:
        again.part("a")
        second = again.part("b")
        part = same.part(1)
        assert part is not None
        assert part.info.fingerprint == second
    changed = Lister(tmp_path)
    with changed.writer:
        changed.part("c")
        changed.part("b")
        with pytest.raises(SourceChanged, match="of another listing"):
            other.part(1)


def test_a_manifest_that_was_listed_over_is_refused(tmp_path: Path) -> None:
    lister = Lister(tmp_path)
    with lister.writer:
        lister.part("a")
        lister.end("a")
    lister._write(lister.manifest, lister.plan, "b")
    for ask in (lambda: lister.follow().part(0), lister.follow().whole):
        with pytest.raises(SourceChanged, match="of another listing"):
            ask()


def test_a_listing_that_has_begun_for_sure_and_failed_already_is_told_at_once(tmp_path: Path) -> None:
    """The job that began it knows so; anybody else waits for it to be begun again."""
    lister = Lister(tmp_path)
    with lister.writer:
        lister.part("a")
        lister.writer.fail(FAILURE)
    began = time.monotonic()
    listing = FollowedListing(lister.manifest, lister.plan, timeout_seconds=600, has_begun=True)
    assert listing.part(0) is not None
    with pytest.raises(AccessDenied, match="denied: ask"):
        listing.part(1)
    assert time.monotonic() - began < 300
