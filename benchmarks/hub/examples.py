"""The examples, and who has them."""

from __future__ import annotations

from dataclasses import dataclass

PENSTOCK = "with_penstock"
DATASETS = "with_datasets"
EASYDATA = "with_easydata"
SIDES = {PENSTOCK: "Penstock", DATASETS: "datasets", EASYDATA: "EasyData, rewritten"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example of another library's documentation.

    Attributes:
        name: as the sides' modules have it.
        peer: side whose documentation has it.
        told: what it does.
        same: both sides give the same rows; else each draws its own.
        leaves: a run before, in a process of its own, leaves a position to go on at.
    """

    name: str
    peer: str
    told: str
    same: bool = True
    leaves: bool = False


EXAMPLES = (
    Example(name="parquet", peer=DATASETS, told="two columns of Parquet, all rows"),
    Example(name="jsonl", peer=DATASETS, told="JSON lines, all rows"),
    Example(name="webdataset", peer=DATASETS, told="WebDataset's TAR files, pictures as bytes"),
    Example(name="webdataset-loader", peer=DATASETS, told="the same through the window, in batches of 64"),
    Example(name="shuffle", peer=DATASETS, told="shuffled: by a buffer of 10,000 rows there, fully here"),
    Example(name="interleave", peer=DATASETS, told="two repositories by 0.7 and 0.3 until one ends", same=False),
    Example(name="resume", peer=DATASETS, told="the second half, by the position of another process", leaves=True),
    Example(name="skip-take", peer=DATASETS, told="1,000 rows from row 1,500 on"),
    Example(name="map-filter", peer=DATASETS, told="a column added, rows left out by it"),
    Example(name="dataloader-0", peer=DATASETS, told="batches of 32 without workers"),
    Example(name="dataloader-2", peer=DATASETS, told="batches of 32 by two workers"),
    Example(name="shards", peer=EASYDATA, told="open_shard of each Parquet file"),
    Example(name="json-shards", peer=EASYDATA, told="open_shard of each file of JSON lines"),
    Example(name="shard-at-row", peer=EASYDATA, told="open_shard_at_row(1500) to the shard's end"),
)
BY_NAME = {example.name: example for example in EXAMPLES}
