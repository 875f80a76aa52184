"""What held a run up, its network or its data, and what would mend it: sentences of its own figures.

Symbols as in ``penstock.cost.breakeven``: an epoch moves M bytes over a link of B bytes per second and computes for Tc
seconds. The link holds it up where M / B > Tc. A window that keeps more of an epoch for the next one makes M smaller;
reading each part several times (``--repeat``) makes Tc larger for the same M.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from penstock.cost.measured_feed import MeasuredFeed
from penstock.cost.waiting import waited_for_download
from penstock.records import RunRecord
from penstock.units import format_bytes, format_seconds

__all__ = ["bottleneck", "cause_of", "waited_little"]

LITTLE_STALL: Final = 0.05
"""Of the training passes: no more than this is to be gained by feeding faster."""
_MOMENT_SECONDS: Final = 1.0
"""That a run may wait in all, by which nothing is told but that it began."""
_MOST_OF_IT: Final = 0.5
"""Of the training passes: what waits for longer than it computes is held up by its data."""
_MOST_REPEAT: Final = 1000
_DECODE_FASTER: Final = "Decode in more processes (--workers), or once for all epochs (--mode preprocess)."
_FAST_ENOUGH: Final = (
    "The link is fast enough for that: what is waited for at the start is less of a longer run, and a larger window "
    "has more there in time later on."
)


def bottleneck(run: RunRecord, feed: MeasuredFeed) -> str:
    """Say whether the data or the network held a run up, and what would mend it."""
    share = run.stall_share
    waited = f"{share:.1%} of the training passes waited for data"
    if share > LITTLE_STALL and waited_little(run):
        return (
            f"Nothing held the run up: it waited for data for {format_seconds(run.stall_seconds)} in all, as any does "
            "that begins."
        )
    if share <= LITTLE_STALL:
        return f"Training was the bottleneck: {waited}, so that neither a larger window nor --repeat would gain more."
    reason, told, mended = _reason(run, feed)
    if share < _MOST_OF_IT:
        return (
            f"Training was the bottleneck, more than data: {waited} and training took the rest, so that feeding faster "
            f"gains {share:.1%} at most. The wait was for {reason}: {told}. {mended}"
        )
    return f"{reason[:1].upper()}{reason[1:]} was the bottleneck: {waited}, and {told}. {mended}"


def waited_little(run: RunRecord) -> bool:
    """Tell whether a run waited for data for no more than is worth a word."""
    return run.stall_share <= LITTLE_STALL or run.stall_seconds + run.valid_stall_seconds < _MOMENT_SECONDS


def _reason(run: RunRecord, feed: MeasuredFeed) -> tuple[str, str, str]:
    """Return what was waited for, by which figures, and what would mend it."""
    moved = feed.moved_bytes / feed.num_epochs
    link_seconds = moved / feed.rate_bytes_per_second
    computed = feed.compute_seconds
    mends = _mends(run, feed, link_seconds, computed)
    cause = cause_of(run, feed)
    if cause == "data":
        return (
            cause,
            "whether that was the download or decoding is not told: it needs the rate of the link, which penstock "
            "prefetch with a manifest measures",
            f"Decoding is mended by --workers; a download by {mends}.",
        )
    needs = (
        f"an epoch downloaded {format_bytes(moved)}, for which the link takes {format_seconds(link_seconds)}, and "
        f"computed for {format_seconds(computed)}"
    )
    if cause == "decoding":
        was_there = waited_for_download(run) is False
        return cause, "the bytes were there before they were decoded" if was_there else needs, _DECODE_FASTER
    return f"the {cause}", needs, _FAST_ENOUGH if link_seconds <= computed else f"It is mended by {mends}."


def cause_of(run: RunRecord, feed: MeasuredFeed) -> Literal["download", "decoding", "data"]:
    """Tell what a run that waited for data waited for; ``data`` where that is not known."""
    of_download = waited_for_download(run)
    if of_download is not None:
        return "download" if of_download else "decoding"
    if not feed.rate_is_measured:
        return "data"
    moved = feed.moved_bytes / feed.num_epochs
    is_link = moved / feed.rate_bytes_per_second > feed.compute_seconds
    return "download" if is_link else "decoding"


def _mends(run: RunRecord, feed: MeasuredFeed, link_seconds: float, computed: float) -> str:
    """Name the window and the passes by which an epoch would compute for as long as its download takes."""
    passes = int(run.config.get("repeat") or 1)
    found = []
    if passes == 1 and feed.rate_is_measured and len(run.epochs) > 1:
        kept = format_bytes(feed.window_without_stall_bytes)
        found.append(f"a window that keeps {kept} for the next epoch (W*)")
    elif passes == 1:
        found.append("a larger window, where there are several epochs")
    times = passes * link_seconds / computed if computed else math.inf
    if feed.rate_is_measured and times <= _MOST_REPEAT:
        found.append(
            f"--repeat {max(math.ceil(times), passes + 1)}, by which each part of the data is read so often while the "
            "next one comes (with so many fewer epochs)"
        )
    else:
        found.append(
            f"--repeat above {passes}, by which each part of the data is read so often while the next one comes"
        )
    return " or ".join(found)
