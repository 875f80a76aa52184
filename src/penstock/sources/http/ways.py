"""Where the redirects of URLs led: remembered for a while, and found out by one request of several at once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from penstock.sources.http.connecting import Reach

__all__ = ["Ways"]

REMEMBERED_WAYS = 4096
WAY_SECONDS = 300.0
"""For which it is believed where a redirect leads."""
LOOK_SECONDS = 2.0
"""For which others wait for the request that finds out where a URL leads, before they ask themselves."""


T = TypeVar("T")


class Ways:
    """Where URLs of one source led a moment ago.

    Args:
        redirects: whether its URLs lead elsewhere as a rule; else that is learnt of each server.
    """

    def __init__(self, *, redirects: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._redirects, self._clock = redirects, clock
        self._ways: OrderedDict[str, tuple[str, Reach, float]] = OrderedDict()
        self._direct: OrderedDict[str, float] = OrderedDict()
        self._servers: set[str] = set()
        self._looking: dict[str, _Look] = {}

    def get(self, url: str) -> tuple[str, Reach] | None:
        """Return where a URL leads, and where that may lie; None where it is not known."""
        found = self._ways.get(url)
        return (found[0], found[1]) if found is not None and found[2] > self._clock() else None

    def add(self, url: str, target: str, reach: Reach) -> None:
        """Remember where a URL led; those that wait to know it go on."""
        self._servers.add(urlsplit(url).netloc)
        _keep(self._ways, url, (target, reach, self._clock() + WAY_SECONDS))
        self._found(url)

    def forget(self, url: str, target: str) -> None:
        """Forget that a URL led to a target, where it was not seen to lead elsewhere since."""
        found = self._ways.get(url)
        if found is not None and found[0] == target:
            del self._ways[url]

    def is_known(self, url: str) -> bool:
        """Tell whether it is known where a URL leads, or that it leads nowhere else."""
        leads = self._redirects or urlsplit(url).netloc in self._servers
        return not leads or self.get(url) is not None or self._direct.get(url, 0.0) > self._clock()

    async def look(self, url: str) -> None:
        """Return when it is known where a URL leads, or for this task, as the only one, to find out and ``end`` it.

        Nobody waits for long: a request that stands still keeps no other from asking.
        """
        task = asyncio.current_task()
        assert task is not None
        while not self.is_known(url):
            other = self._looking.get(url)
            if other is None or other.task.get_loop() is not task.get_loop():
                self._looking[url] = _Look(task=task, is_known=task.get_loop().create_future())
                return
            if other.task is task:
                return
            done, _ = await asyncio.wait({other.is_known}, timeout=LOOK_SECONDS)
            if not done:
                return

    def end(self, url: str, *, answered: bool = False) -> None:
        """End this task's looking, where it has met no redirect.

        Args:
            answered: the URL itself gave what was asked for.
        """
        look = self._looking.get(url)
        if look is None or look.task is not asyncio.current_task():
            return
        if answered:
            _keep(self._direct, url, self._clock() + WAY_SECONDS)
        self._found(url)

    def _found(self, url: str) -> None:
        look = self._looking.pop(url, None)
        if look is not None and not look.is_known.done() and not look.task.get_loop().is_closed():
            look.is_known.set_result(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """Who finds out where a URL leads.

    Attributes:
        is_known: done when that is known, or was given up.
    """

    task: asyncio.Task[Any]
    is_known: asyncio.Future[None]


def _keep(kept: OrderedDict[str, T], url: str, value: T) -> None:
    kept[url] = value
    kept.move_to_end(url)
    while len(kept) > REMEMBERED_WAYS:
        kept.popitem(last=False)
