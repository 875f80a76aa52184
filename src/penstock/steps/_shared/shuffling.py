"""The options that say how the training split is shuffled."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import ManifestInfo
from penstock.plan import check_shuffle, choose_blocks
from penstock.records import BlockShuffle, Shuffle
from penstock.steps.options.dataset import ShuffleOptions

__all__ = ["check_shuffle_options", "shuffle_from"]


def check_shuffle_options(args: ShuffleOptions) -> None:
    """Refuse options that do not fit together, before anything is listed.

    Raises:
        ConfigError: blocks are described for another shuffle, or cannot be shuffled.
    """
    for flag, value in (("--shuffle-block", args.shuffle_block), ("--shuffle-mix", args.shuffle_mix)):
        if value is not None and args.shuffle != "block":
            raise ConfigError(
                f"{flag} {value} is given with --shuffle {args.shuffle}", fix="pass --shuffle block, or leave it out"
            )
    check_shuffle(BlockShuffle(block_samples=args.shuffle_block or 1, blocks_mixed=args.shuffle_mix or 1))


def shuffle_from(args: ShuffleOptions, info: ManifestInfo) -> Shuffle:
    """Give the shuffle that the options ask for; what they leave open follows from the mean size of a sample.

    Raises:
        ConfigError: it cannot be done.
    """
    if args.shuffle != "block":
        return args.shuffle
    # A part of a listing that goes on may have none to train on.
    train = next(split for split in info.splits if split.name == "train")
    return choose_blocks(
        mean_sample_bytes=train.size_bytes / max(1, train.num_extents),
        block_samples=args.shuffle_block,
        blocks_mixed=args.shuffle_mix,
    )
