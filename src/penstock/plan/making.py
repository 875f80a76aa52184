"""The plan of a manifest, as options ask for it."""

from __future__ import annotations

from penstock.manifest import ManifestInfo
from penstock.options.plan import ShuffleOptions
from penstock.options.window import USUAL_WINDOW_BYTES
from penstock.plan.order import choose_blocks, choose_mix
from penstock.plan.passes import usual_part_bytes
from penstock.plan.repeating import choose_repeat
from penstock.records import Plan, Repeat, Shuffle

__all__ = ["make_plan"]


def make_plan(
    info: ManifestInfo, asked: ShuffleOptions, *, seed: int, num_lanes: int, window_bytes: int | None = None
) -> Plan:
    """Return the plan; what the options leave open of a shuffle follows from the sizes of samples.

    Args:
        window_bytes: of the window that it is read through, by which parts that repeat are chosen; None is the usual.

    Raises:
        ConfigError: it cannot be shuffled like that.
    """
    repeat = _repeat(info, asked, window_bytes or USUAL_WINDOW_BYTES)
    is_mixed = info.num_samples > info.num_extents and asked.shuffle != "none"
    return Plan(
        manifest_fingerprint=info.fingerprint,
        seed=seed,
        num_lanes=num_lanes,
        shuffle=_shuffle(info, asked),
        mix=_mix(info, repeat) if is_mixed else 1,
        repeat=repeat,
    )


def _mix(info: ManifestInfo, repeat: Repeat | None) -> int:
    mix = choose_mix(max_extent_bytes=info.max_extent_bytes, max_decoded_bytes=info.max_decoded_bytes)
    return mix if repeat is None else min(mix, repeat.part_extents)


def _repeat(info: ManifestInfo, asked: ShuffleOptions, window_bytes: int) -> Repeat | None:
    train = next(split for split in info.splits if split.name == "train")
    return choose_repeat(
        passes=asked.repeat,
        part_bytes=asked.repeat_part or usual_part_bytes(window_bytes),
        mean_extent_bytes=train.size_bytes / max(1, train.num_extents),
    )


def _shuffle(info: ManifestInfo, asked: ShuffleOptions) -> Shuffle:
    if asked.shuffle != "block":
        return asked.shuffle
    # A part of a listing that goes on may have none to train on.
    train = next(split for split in info.splits if split.name == "train")
    return choose_blocks(
        mean_sample_bytes=train.size_bytes / max(1, train.num_extents),
        block_samples=asked.shuffle_block,
        blocks_mixed=asked.shuffle_mix,
    )
