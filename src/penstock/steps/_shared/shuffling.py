"""The options that say how the training split is shuffled."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.options.plan import ShuffleOptions
from penstock.plan import check_repeat, check_shuffle
from penstock.records import BlockShuffle, Repeat
from penstock.units import format_bytes

__all__ = ["check_shuffle_options"]


def check_shuffle_options(args: ShuffleOptions) -> None:
    """Refuse options that do not fit together, before anything is listed.

    Raises:
        ConfigError: blocks are described for another shuffle, or cannot be shuffled; parts for what is read once.
    """
    for flag, value in (("--shuffle-block", args.shuffle_block), ("--shuffle-mix", args.shuffle_mix)):
        if value is not None and args.shuffle != "block":
            raise ConfigError(
                f"{flag} {value} is given with --shuffle {args.shuffle}", fix="pass --shuffle block, or leave it out"
            )
    check_shuffle(BlockShuffle(block_samples=args.shuffle_block or 1, blocks_mixed=args.shuffle_mix or 1))
    check_repeat(Repeat(part_extents=1, passes=args.repeat))
    if args.repeat_part is not None and args.repeat == 1:
        raise ConfigError(
            f"--repeat-part {format_bytes(args.repeat_part)} is given with --repeat 1",
            fix="pass --repeat 2 or more, or leave it out",
        )
    if args.repeat > 1 and getattr(args, "stream_listing", False):
        raise ConfigError(
            f"--repeat {args.repeat} with --stream-listing: parts are cut from the whole listing",
            fix="leave one of them out",
        )
