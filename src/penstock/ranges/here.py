"""Reading ranges by a thread of this process, where a source's client minds no fork."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from penstock.errors import ProcessLost, SourceError
from penstock.manifest import Span
from penstock.ranges.loop import LoopThread
from penstock.sources import ObjectSource, object_of

__all__ = ["AskedHere", "Reads"]

Begun = tuple[LoopThread, ObjectSource]


@dataclass(frozen=True, slots=True)
class AskedHere:
    """What was asked for, to be taken or forgotten once.

    Attributes:
        size_bytes: of the answer.
    """

    spans: tuple[Span, ...]
    found: Future[memoryview]
    begun: Begun
    size_bytes: int


class Reads:
    """Reads spans of a source's objects; for any threads.

    Args:
        own: gives the thread and the source of this process: others in one that was forked.
    """

    def __init__(self, own: Callable[[], Begun]) -> None:
        self._own = own

    def ask(self, spans: Sequence[Span]) -> AskedHere:
        """Ask for the bytes of spans, joined; nothing is waited for."""
        begun = self._own()
        loop, source = begun
        asked = tuple(spans)
        found = loop.submit(_read(source, asked))
        return AskedHere(asked, found, begun, sum(span.length_bytes for span in asked))

    def take(self, asked: AskedHere) -> memoryview:
        """Return the bytes that were asked for.

        Raises:
            SourceChanged, SourceError: they could not be had.
            ProcessLost: they were let go of meanwhile.
        """
        if asked.begun is not self._own() or _failed_before(asked.found):
            # It was asked for before this process was forked, or its error may have passed since.
            asked = self.ask(asked.spans)
        try:
            return asked.found.result()
        except CancelledError:
            raise ProcessLost("what was asked for was forgotten meanwhile", fix="open the shard again") from None
        except BaseException:
            asked.found.cancel()
            raise

    def forget(self, asked: AskedHere) -> None:
        """Take back what was asked for."""
        if asked.begun is self._own():
            asked.found.cancel()


def _failed_before(found: Future[memoryview]) -> bool:
    """Tell whether a source gave an error before anybody waited for what was asked of it."""
    return found.done() and not found.cancelled() and isinstance(found.exception(), SourceError)


async def _read(source: ObjectSource, spans: Sequence[Span]) -> memoryview:
    parts = await asyncio.gather(*(source.get_range(object_of(span), span.offset, span.length_bytes) for span in spans))
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
