"""The options of `penstock pack`."""

from __future__ import annotations

import argparse

from penstock.options import Options, choice, option
from penstock.options.readers import bytes_option, location, location_or_empty, optional_endpoint
from penstock.options.source import AccessOptions
from penstock.steps.options.common import CommonOptions

__all__ = ["PackOptions", "compression_option", "part_option"]


def part_option(text: str) -> str:
    """Read which of how many parts this is, like ``1/4``, for argparse."""
    number, slash, count = text.partition("/")
    fits = slash and all(each.isascii() and each.isdigit() and len(each) < 7 for each in (number, count))
    if not fits or not 1 <= int(number) <= int(count):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no part; write it like 1/4, the first of four")
    return text


def compression_option(text: str) -> str:
    """Read the name of a compression, for argparse; empty is the usual one."""
    known = ("", "none", "zstd", "snappy", "gzip")
    if text not in known:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no compression; choose one of: {', '.join(known[1:])}")
    return text


class _What(Options):
    uri: str = option(
        read=location_or_empty,
        default="",
        metavar="URI",
        told="the dataset, as `penstock list --source` has it; or --dataset",
        is_positional=True,
        field="data_source",
    )
    into: str = option(read=location, metavar="DIR|URI", told="where shards are written", field="pack_into")
    into_endpoint_url: str | None = option(
        read=optional_endpoint,
        default=None,
        metavar="URL",
        told="server of that place, where it is not the store's own (default)",
    )


class _How(Options, group="shards"):
    to: str = choice(
        choices=("tar", "arrays", "parquet", "mds"), default="tar", told="what shards are (default: %(default)s)"
    )
    shard_size: int = option(
        read=bytes_option,
        default=256 << 20,
        metavar="SIZE",
        told="of what the samples of a shard are read from, about (default: 256Mi)",
    )
    compression: str = option(
        read=compression_option,
        default="",
        metavar="NAME",
        told="of shards: zstd, snappy, gzip or none for parquet, zstd or none for mds (default: zstd for parquet, none "
        "for others)",
    )
    group_size: int = option(
        read=bytes_option,
        default=16 << 20,
        metavar="SIZE",
        told="of a row group of Parquet before it is compressed, about (default: 16Mi)",
    )
    part: str = option(
        read=part_option,
        default="1/1",
        metavar="I/N",
        told="make every N-th shard, beginning with the I-th: N such commands, side by side, make them all "
        "(default: 1/1)",
        by_pipeline=True,
    )


class _Dataset(Options, group="dataset"):
    match: str = option(read=str, default="*", metavar="PATTERN", told="take objects whose key fits (default: all)")
    format: str = option(
        read=str,
        default="objects",
        metavar="NAME",
        told="what the objects are, like parquet, tar or jsonl (default: objects, each a file of a sample)",
    )
    format_options: str = option(
        read=str, default="{}", metavar="JSON", told='options of the format, like {"columns": ["text"]}'
    )
    split: str = option(read=str, default="", metavar="NAMES", told="take the files of this split (default: all)")
    card_config: str = option(
        read=str, default="", metavar="NAME", told="take the files of this one of the configs of the dataset's card"
    )


class _Described(Options, in_pipelines=False):
    dataset: str = option(
        read=str,
        default="",
        metavar="FILE|URI|YAML",
        told="description of the dataset as penstock.open reads it, in the place of URI: a YAML file, its URI, or its "
        "text; its columns, part and verbs of columns and text are packed",
    )


class PackOptions(_What, _Described, CommonOptions, _How, _Dataset, AccessOptions):
    """The options of `penstock pack`."""
