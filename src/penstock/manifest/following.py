"""A listing that another process writes, `penstock list --stream-listing`, in a folder that both see, or wrote."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from penstock.clock import running_seconds
from penstock.errors import PenstockError, ProcessLost, SourceChanged, SourceUnavailable, error_from_fields
from penstock.manifest.listed import Listed, Listing, WholeListing, read_listed, read_pair
from penstock.manifest.listing import ListingRecord, is_listing, parts_folder, read_listing_record, wait_for_part

__all__ = ["FollowedListing", "open_listing"]

POLL_SECONDS = (0.02, 0.5)
"""Pause between two looks for a writer: the first, and the longest. There is nothing to wait at before it has begun."""


class FollowedListing:
    """Parts and whole of a listing, as they come.

    Args:
        manifest: path of the whole manifest, which its parts lie beside.
        plan: path of the whole manifest's plan.
        timeout_seconds: how long to wait for a writer to begin.
        has_begun: one has begun for sure, so that what is told there is its own, though it may have ended by now.
        lost: gives the error of a writer that ended before the listing did.
    """

    def __init__(
        self,
        manifest: Path,
        plan: Path,
        *,
        timeout_seconds: float,
        has_begun: bool = False,
        lost: Callable[[ListingRecord], PenstockError] | None = None,
    ) -> None:
        self._manifest, self._plan = manifest.absolute(), plan.absolute()
        self._folder = parts_folder(self._manifest)
        self._timeout_seconds = timeout_seconds
        self._lost = lost or self._error_of
        self._has_begun = has_begun
        self._parts: list[Listed] = []
        self._whole: Listed | None = None

    def part(self, number: int) -> Listed | None:
        """Return a part, 0-based, as soon as it is there; None where the listing ended with fewer.

        Raises:
            PenstockError: the listing failed before it came to that part.
            SourceUnavailable: there is no listing.
            ProcessLost: it ended without a word.
            SourceChanged: it was begun anew, and gives something else.
        """
        if number < len(self._parts):
            return self._parts[number]
        record = self._wait(number)
        if record.whole is not None:
            # A manifest that was listed over since is refused now, not when an epoch was spent on its parts.
            self.whole()
        for index in range(len(self._parts), min(number + 1, len(record.parts))):
            path = self._folder / f"{index:05}.parquet"
            part = read_pair(path, path.with_suffix(".json"), is_whole=False)
            self._parts.append(self._checked(part, record.parts[index]))
        return self._parts[number] if number < len(self._parts) else None

    def whole(self) -> Listed:
        """Return everything, when the listing has ended; raises as ``part`` does."""
        if self._whole is None:
            record = self._wait(None)
            assert record.whole is not None
            self._whole = self._checked(read_pair(self._manifest, self._plan), record.whole)
        return self._whole

    def _wait(self, number: int | None) -> ListingRecord:
        """Return the record once it tells of a part, or of the end."""
        give_up = running_seconds() + self._timeout_seconds
        pause_seconds, longest_seconds = POLL_SECONDS
        while True:
            # Looked at before the record: what a writer told before it ended is then seen.
            is_at_work = is_listing(self._folder)
            record = read_listing_record(self._folder)
            if record is not None and (is_at_work or record.whole is not None or self._has_begun):
                self._has_begun = True
                self._check(record)
                if record.whole is not None or (number is not None and number < len(record.parts)):
                    return record
                if not is_at_work:
                    raise self._lost(record)
            if is_at_work:
                wait_for_part(self._folder, number)
            elif running_seconds() < give_up:
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, longest_seconds)
            else:
                raise self._lost(record or ListingRecord())

    def _check(self, record: ListingRecord) -> None:
        """Refuse a listing that was begun anew and gives other parts than it gave before."""
        for part, fingerprint in zip(self._parts, record.parts, strict=False):
            self._checked(part, fingerprint)

    def _checked(self, listed: Listed, fingerprint: str) -> Listed:
        if listed.info.fingerprint == listed.plan.manifest_fingerprint == fingerprint:
            return listed
        raise SourceChanged(
            f"{listed.manifest} is of another listing than {self._folder} tells of",
            fix="run `penstock list --stream-listing` again, and begin a new run",
            about=str(listed.manifest),
        )

    def _error_of(self, record: ListingRecord) -> PenstockError:
        told = record.failure
        if told is not None:
            return error_from_fields(told.error, told.what, told.fix, None)
        if self._has_begun:
            return ProcessLost(
                f"the listing that writes {self._folder} ended without a word",
                fix="see why its process ended and run it again, then this: it goes on where it was",
                about=str(self._folder),
            )
        return SourceUnavailable(
            f"no `penstock list --stream-listing` writes {self._folder}, and none came within "
            f"{self._timeout_seconds:g} s",
            fix="run it with the same --manifest, or leave --stream-listing out for a manifest that is whole",
            about=str(self._folder),
        )


def open_listing(
    manifest: Path, plan: Path, *, goes_on: bool, timeout_seconds: float, has_begun: bool = False
) -> Listing:
    """Open what `penstock list` made, or makes; its first part is there when this returns.

    Args:
        manifest: path of the whole manifest.
        plan: path of its plan.
        goes_on: whether to follow it part by part, as with ``--stream-listing``, whether or not it has ended by now.
        timeout_seconds: how long to wait for a writer to begin.
        has_begun: one has begun for sure.

    Raises:
        RecordError: manifest or plan cannot be read, or they do not belong together.
        PenstockError: the listing failed, or there is none.
    """
    if not goes_on:
        return WholeListing(listed=read_listed(manifest, plan))
    listing = FollowedListing(manifest, plan, timeout_seconds=timeout_seconds, has_begun=has_begun)
    listing.part(0)
    return listing
