"""The plan of a manifest, as options ask for it."""

from __future__ import annotations

from penstock.manifest import ManifestInfo
from penstock.options.plan import ShuffleOptions
from penstock.plan.order import choose_blocks, choose_mix
from penstock.records import Plan, Shuffle

__all__ = ["make_plan"]


def make_plan(info: ManifestInfo, asked: ShuffleOptions, *, seed: int, num_lanes: int) -> Plan:
    """Return the plan; what the options leave open of a shuffle follows from the sizes of samples.

    Raises:
        ConfigError: it cannot be shuffled like that.
    """
    is_mixed = info.num_samples > info.num_extents and asked.shuffle != "none"
    return Plan(
        manifest_fingerprint=info.fingerprint,
        seed=seed,
        num_lanes=num_lanes,
        shuffle=_shuffle(info, asked),
        mix=_mix(info) if is_mixed else 1,
    )


def _mix(info: ManifestInfo) -> int:
    return choose_mix(max_extent_bytes=info.max_extent_bytes, max_decoded_bytes=info.max_decoded_bytes)


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
