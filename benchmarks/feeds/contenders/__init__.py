"""The feeds that are compared: a module each, with ``open_feed`` and ``CONFIG``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from benchmarks.feeds.cellspec import CellSpec

OpenFeed = Callable[[CellSpec], AbstractContextManager[Iterator[Any]]]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A feed.

    Attributes:
        module: under ``benchmarks.feeds.contenders``.
        layout: of the dataset that it reads.
        peer: whether it is what Penstock is compared with; such ones run in the environment of the peers.
        limited: whether it takes a limit of what it keeps on disk.
        tensors: whether it gives batches of torch; a loop that throws the bytes away does not.
    """

    name: str
    module: str
    layout: str
    what: str
    peer: bool = False
    limited: bool = False
    tensors: bool = True


CONTENDERS = {
    found.name: found
    for found in (
        Contender(
            name="penstock",
            module="penstock_window",
            layout="plain",
            limited=True,
            what="whole dataset shuffled, an object a sample",
        ),
        Contender(
            name="penstock-stream",
            module="penstock_stream",
            layout="plain",
            limited=True,
            what="penstock.Stream as a user writes it, the listing within the clock",
        ),
        Contender(
            name="penstock-stream-early",
            module="penstock_stream",
            layout="plain",
            limited=True,
            what="the same with stream_listing=True: training begins while the source is listed",
        ),
        Contender(
            name="penstock-stream-again",
            module="penstock_stream",
            layout="plain",
            limited=True,
            what="the same with manifest_folder=, which has the listing from a run before",
        ),
        Contender(
            name="penstock-tar",
            module="penstock_window",
            layout="tar",
            limited=True,
            what="whole dataset shuffled, spans of the tar shards that WebDataset reads",
        ),
        Contender(
            name="penstock-tar-inorder",
            module="penstock_window",
            layout="tar",
            limited=True,
            what="in the order of the tar shards",
        ),
        Contender(
            name="penstock-face-tar",
            module="penstock_dataset",
            layout="tar",
            limited=True,
            what="penstock.tar(...).loader(...) as a user writes it, the listing and index within the clock",
        ),
        Contender(
            name="penstock-face-tar-early",
            module="penstock_dataset",
            layout="tar",
            limited=True,
            what="the same with stream_listing=True: training begins while the files are indexed",
        ),
        Contender(
            name="penstock-face-tar-again",
            module="penstock_dataset",
            layout="tar",
            limited=True,
            what="the same with manifest_folder=, which has listing and index from a run before",
        ),
        Contender(
            name="penstock-face-tar-block-again",
            module="penstock_dataset",
            layout="tar",
            limited=True,
            what="the same with manifest_folder= and shuffle='block', which keeps neighbours near as WebDataset does",
        ),
        Contender(
            name="penstock-face-parquet",
            module="penstock_dataset",
            layout="parquet",
            limited=True,
            what="penstock.parquet(...).loader(...) as a user writes it, the listing and footers within the clock",
        ),
        Contender(
            name="penstock-face-parquet-again",
            module="penstock_dataset",
            layout="parquet",
            limited=True,
            what="the same with manifest_folder=, which has listing and footers from a run before",
        ),
        Contender(name="litdata", module="litdata_chunks", layout="litdata", peer=True, limited=True, what="LitData"),
        Contender(name="webdataset", module="webdataset_tar", layout="tar", peer=True, what="WebDataset, no cache"),
        Contender(
            name="webdataset-cached",
            module="webdataset_tar",
            layout="tar",
            peer=True,
            limited=True,
            what="WebDataset with cache_dir and cache_size",
        ),
        Contender(name="mosaic", module="mosaic_mds", layout="mds", peer=True, limited=True, what="MosaicML Streaming"),
        Contender(name="huggingface", module="hf_parquet", layout="parquet", peer=True, what="datasets, streaming"),
        Contender(name="s3torch", module="s3torch_map", layout="plain", peer=True, what="s3torchconnector, map style"),
        Contender(name="boto3", module="boto3_loop", layout="plain", peer=True, what="boto3, one object after another"),
        Contender(
            name="bare",
            module="bare_obstore",
            layout="plain",
            tensors=False,
            what="obstore, the same ranges, bytes thrown away: the ceiling",
        ),
        Contender(
            name="bare-tar",
            module="bare_obstore",
            layout="tar",
            tensors=False,
            what="obstore, the same ranges of tar shards, bytes thrown away: the ceiling",
        ),
    )
}
# Their libraries are Penstock's own too, so they run in its environment, also where no peer is installed.
OWN_FEEDS = ("penstock_window", "penstock_stream", "penstock_dataset")
OWN_ENVIRONMENT = tuple(name for name, found in CONTENDERS.items() if not found.peer or name == "boto3")


def load(name: str) -> tuple[OpenFeed, str]:
    """Return a contender's way in, and its configuration in words."""
    module = importlib.import_module(f"benchmarks.feeds.contenders.{CONTENDERS[name].module}")
    return module.open_feed, module.CONFIG
