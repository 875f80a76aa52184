"""What a job took in each of its modes, side by side."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Part, Record

__all__ = ["ModeTaken", "ModesComparison"]


class ModeTaken(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job took in one mode.

    Attributes:
        folder: of the job.
        preprocess_seconds: of the pass that decodes all; None where there was none, as where a store was there already.
        first_epoch_seconds: validation included; None where no epoch was finished.
        later_epoch_seconds: mean of the others; None where there are none.
        stall_share: of the time of training passes, what was waited for data; 0 to 1.
        bytes_downloaded: from the source, by all steps together.
        requests: to the source, of all kinds and steps.
        reused_bytes: of samples for which nothing was asked for, since the window or a cache had them.
        window_bytes: the most that the window's folder took.
        cache_bytes: what the cache's folder took; 0 where there is none.
        store_bytes: what the store of decoded samples took; 0 where there is none.
        usd: total of the bill, of what has a price.
        unpriced: what of it has none.
        score: on the evaluated split.
        weights_sha256: of what was trained.
    """

    mode: str
    folder: str
    list_seconds: float
    preprocess_seconds: float | None
    train_seconds: float
    first_epoch_seconds: float | None
    later_epoch_seconds: float | None
    evaluate_seconds: float
    stall_share: float
    bytes_downloaded: int
    requests: int
    reused_bytes: int
    window_bytes: int
    cache_bytes: int
    store_bytes: int
    usd: float
    unpriced: tuple[str, ...]
    score: float | None
    weights_sha256: str | None

    @property
    def total_seconds(self) -> float:
        """Of all steps."""
        return self.list_seconds + (self.preprocess_seconds or 0.0) + self.train_seconds + self.evaluate_seconds

    @property
    def disk_bytes(self) -> int:
        """The most on disk of window, cache and store together."""
        return self.window_bytes + self.cache_bytes + self.store_bytes


class ModesComparison(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same job in several modes.

    Attributes:
        source: URI of the dataset.
        score: name of the metric that runs are compared by.
        modes: in the order in which they were run.
    """

    kind: ClassVar[str] = "modes"
    version: ClassVar[int] = 1

    task: str
    source: str
    model: str
    score: str
    split: str
    num_epochs: int
    modes: tuple[ModeTaken, ...]
