"""The objects that are a dataset's shards, found."""

from __future__ import annotations

from penstock.formats.protocols import Format
from penstock.manifest import SkippedObject
from penstock.observe import no_progress
from penstock.sources import ObjectInfo, ObjectSource
from penstock.stream.left_out import warn_of
from penstock.stream.options import Options
from penstock.tasks.objects import found_objects
from penstock.tasks.protocols import Limits
from penstock.tasks.split_listing import likely_first
from penstock.temporary import TemporaryFolder

__all__ = ["find_shards"]


async def find_shards(source: ObjectSource, options: Options, kind: Format) -> list[ObjectInfo]:
    """List what is taken, in the order of the keys, and warn of what is left out."""
    asked = dict(each.partition("=")[::2] for each in (f"match={options.match}", *options.data.task_options))
    source.foresee(lambda keys: likely_first(keys, options.match, asked.get("split", "")))
    skipped: list[SkippedObject] = []
    with no_progress(), TemporaryFolder("penstock-listing-") as scratch:
        found = [info async for info in found_objects(source, asked, Limits(scratch=scratch), skipped, kind=kind)]
    warn_of(skipped)
    return found
