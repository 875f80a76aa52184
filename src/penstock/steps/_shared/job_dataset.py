"""The dataset of a job: what its options name, or what a file describes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from penstock.steps._shared.dataset_listing import check_named, refuse_early, require_torch
from penstock.steps.options.run import JobOptions
from penstock.train.options import BATCH_SIZE

__all__ = ["JobDataset", "dataset_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDataset:
    """What a job learns from.

    Attributes:
        args: of the job, with what the file says of it.
        sha256: of the file's text; empty where there is none.
        transform: that samples go through; empty where there is none.
        is_split: whether the file says all splits, so that the options do not.
        evaluated: split that the job ends with a score of: the test, or where the file makes none the validation.
    """

    args: JobOptions
    sha256: str = ""
    transform: str = ""
    is_split: bool = False
    evaluated: Literal["valid", "test"] = "test"


def dataset_of(args: JobOptions) -> JobDataset:
    """Return the dataset that a job's options say.

    Raises:
        ConfigError: they say none, or the file that they name describes none; the message names its line.
        SourceError: the file's URI cannot be read.
    """
    if not args.dataset:
        check_named(args)
        return JobDataset(args=args.but(batch_size=args.batch_size or BATCH_SIZE))
    require_torch("--dataset")
    from penstock.steps._shared.described import describe, read_described  # here: few jobs have such a file

    refuse_early(args)
    text = read_described(args)
    found = describe(args, text)
    batch_size = args.batch_size or found.batch_size or BATCH_SIZE
    return JobDataset(
        args=args.but(task=found.task, batch_size=batch_size),
        sha256=hashlib.sha256(text.text.encode(errors="surrogatepass")).hexdigest(),
        transform=found.transform,
        is_split=all(each.data.split_seed is not None for each in found.datasets),
        evaluated="valid" if found.lacks_test else "test",
    )
