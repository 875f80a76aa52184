"""The options that say how samples are split and ordered."""

from __future__ import annotations

import argparse
from typing import Literal, get_args

from penstock.options.declaration import Options, choice, option
from penstock.options.readers import optional_bytes, optional_count, positive_int, seed_number
from penstock.options.rules import Change

__all__ = ["PlanOptions", "ShuffleName", "ShuffleOptions", "SplitBy"]

SplitBy = Literal["group", "sample"]
ShuffleName = Literal["full", "block", "none"]


class ShuffleOptions(Options, group="plan", change=Change.FIXED):
    """The options that say how the training split is shuffled."""

    shuffle: ShuffleName = choice(
        choices=get_args(ShuffleName),
        default="full",
        told="how the training split is shuffled anew each epoch: every sample anywhere (full, default), by blocks of "
        "neighbours that are fetched in fewer requests (block), or not at all (none)",
    )
    shuffle_block: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="consecutive samples of a block, with --shuffle block; empty or 0: chosen by their size "
        "(default: 16, within 64 to 256 KiB)",
    )
    shuffle_mix: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="blocks whose samples are mixed, with --shuffle block; empty or 0: chosen by their size "
        "(default: of together 2 MiB)",
    )
    repeat: int = option(
        read=positive_int,
        default=1,
        metavar="N",
        told="read the training split part by part, each N times before the next: an epoch has every sample N times, "
        "and downloads it once (default: 1)",
    )
    repeat_part: int | None = option(
        read=optional_bytes,
        default=None,
        metavar="SIZE",
        told="size of a part, with --repeat; a window holds two (default: of a third of the window)",
    )


def _fractions(text: str) -> tuple[float, ...]:
    try:
        parts = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not three fractions like 0.8,0.1,0.1") from error
    if sum(parts) == 100 and min(parts) >= 0:
        meant = ",".join(f"{part / 100:g}" for part in parts)
        raise argparse.ArgumentTypeError(f"{text!r} is in percent: write it as {meant}")
    return parts


class _Splits(Options, group="plan", change=Change.FIXED):
    split: tuple[float, ...] = option(
        read=_fractions,
        default=(0.7, 0.15, 0.15),
        metavar="T,V,E",
        is_joined=True,
        told="fractions of train, valid and test (default: 0.7,0.15,0.15)",
    )
    split_by: SplitBy = choice(
        choices=get_args(SplitBy),
        default="group",
        told="whether a group (subject) stays whole, or samples are split one by one (default: group)",
    )
    seed: int = option(read=seed_number, default=0, metavar="N", told="seed of splits, order and weights (default: 0)")
    lanes: int = option(
        read=positive_int, default=64, metavar="N", told="lanes that ranks share out (default: 64)", hidden=True
    )
    first_part: int = option(
        read=positive_int,
        default=8192,
        metavar="N",
        told="samples of the first part with --stream-listing, an eighth of them where they are large; each further "
        "one has twice as many (default: 8192)",
        run_option="",
    )


class PlanOptions(_Splits, ShuffleOptions):
    """The options that say how samples are split and ordered."""
