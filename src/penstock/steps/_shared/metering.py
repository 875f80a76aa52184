"""Where a step's requests are counted, so that a kill loses none of them and no attempt counts them twice.

In ``--meters``, which `penstock run` gives; else beside a run root's records, where that is a folder; else in the
window's folder. Where none of them outlives the step, what its checkpoints carried is what the next attempt knows.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.records import Meters
from penstock.sources import MeterFile, find_scheme, is_local, read_meter_files, sum_meters, take_later
from penstock.steps.options.run_root import RunRootOptions

__all__ = ["Metering", "find_metering"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metering:
    """Where a step's requests are counted, and for whom.

    Attributes:
        folder: None where none outlives the step but the window's.
        owner: the step of the run, the same in each attempt.
        is_remote: whether the step's own process asks S3 for anything: its run root or its checkpoints lie there.
        most_requests: gives how many requests may be counted for the owner, in all attempts; None sets no bound.
        makes_folder: whether the folders above it may be missing: those of a run root, which a run begins with.
    """

    folder: Path | None
    owner: str
    is_remote: bool
    makes_folder: bool = False
    most_requests: Callable[[], int | None] = lambda: None

    def open(self, otherwise: Path | None = None) -> MeterFile:
        """Open a file for this process's own requests.

        Args:
            otherwise: folder of the window, which is taken where there is no other.

        Raises:
            NotOurs: that is no window's folder.
        """
        if self.makes_folder and self.folder is not None:
            with contextlib.suppress(OSError):  # it is counted in memory then, which is told
                self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder is not None or otherwise is None or not self.is_remote:
            return MeterFile.open(self.folder, self.owner)
        from penstock.window.ownership import claim_window  # here: a listing, which has no window, starts sooner

        claim_window(otherwise)
        return MeterFile.open(otherwise, self.owner)

    def total(self, own: MeterFile, *seen: Mapping[str, Meters]) -> Meters:
        """Add up what all attempts have counted, as far as it is known here.

        Args:
            own: file of this process.
            seen: what was counted elsewhere, by id.
        """
        return sum_meters(take_later(read_meter_files(self.folder, self.owner), own.read(), *seen))


def find_metering(
    args: RunRootOptions,
    step: str,
    *,
    meters: Path | None,
    checkpoints: str | None = None,
    checkpoint: str | None = None,
) -> Metering:
    """Return where a step's requests are counted.

    Args:
        meters: folder that was asked for.
        checkpoints: where the step keeps them.
        checkpoint: that the step reads.
    """
    folder, run_root, run_id = meters, args.run_root, args.own_run
    makes_folder = folder is None
    if folder is None and run_root and run_id and (root := find_scheme(run_root).folder(run_root)) is not None:
        folder = root / run_id / "meters"
    scope = run_id or (hashlib.sha256(checkpoints.encode()).hexdigest()[:16] if checkpoints else "")
    places = (run_root, checkpoints, checkpoint)
    is_remote = any(place and "://" in place and not is_local(place) for place in places)
    return Metering(folder=folder, owner=f"{step}/{scope}", is_remote=is_remote, makes_folder=makes_folder)
