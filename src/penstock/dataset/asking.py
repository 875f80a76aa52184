"""A source that is asked by a thread of this process, while what reads its answers is still imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.formats.protocols import Format, by_object
from penstock.ranges.loop import LoopThread
from penstock.sources import ObjectSource, find_scheme, open_source
from penstock.sources.scheme import INVENTORY_OPTIONS
from penstock.stream.options import Data, Options
from penstock.tasks.limit_options import LimitOptions

if TYPE_CHECKING:
    from concurrent.futures import Future

    from penstock.ranges.here import Begun

__all__ = ["begin_asking", "end_asking", "may_find"]


def may_find(options: Options, kind: Format) -> bool:
    """Tell whether objects are shards as they are found: what is asked for says nothing of what lies in them."""
    data, scheme = options.data, find_scheme(options.source.uri)
    return (
        by_object(kind) is not None
        and scheme.may_fork
        and not options.environment
        and not INVENTORY_OPTIONS.keys() & options.source.options.keys()
        and options.manifest_folder is None
        and options.on_bad_sample == "fail"
        and data.task == "objects"
        and (data.limits, data.fractions, data.split) == (LimitOptions(), Data().fractions, "train")
        and data.choice.is_empty
    )


def begin_asking(options: Options) -> tuple[Begun, Future[None]]:
    """Open a source, and ask it for what has to be known before it can be listed; what is returned ends then.

    Raises:
        PenstockError: it cannot be opened.
    """
    loop, source = LoopThread(), open_source(options.source, purpose="data")
    return (loop, source), loop.submit(source.get_ready())


def end_asking(loop: LoopThread, source: ObjectSource) -> None:
    """Close a source in the thread that it is read in, and end the thread."""
    loop.close(source.close)
