"""Processes that several streams have together: one that lists, and one that fills all their windows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from penstock.children.further import Asking, answered
from penstock.manifest.listed import Listed, read_listed
from penstock.options.window import ServingOptions
from penstock.stream_listing import ListingProcess
from penstock.tasks.listing_options import ListingOptions
from penstock.temporary import TemporaryFolder
from penstock.window import Prefetcher, asked_cache
from penstock.window.child import WindowsPrefetcher

__all__ = ["Helpers"]

_LOOK_SECONDS = 0.002


class Helpers:
    """Begins them when they are first needed, and ends them with ``close``.

    Args:
        environment: variables that they have beside this process's: of streams whose sources are asked with those.
    """

    def __init__(self, environment: Mapping[str, str | None]) -> None:
        self.environment = environment
        self._folder = TemporaryFolder("penstock-helpers-")
        self._listing: ListingProcess | None = None
        self._listings = Asking(self._folder.path / "listings")
        self._windows = Asking(self._folder.path / "windows")
        self._prefetcher: WindowsPrefetcher | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listed(self, asked: ListingOptions) -> Listed:
        """Return a listing to its end.

        Raises:
            PenstockError: it failed.
        """
        if self._listing is None:
            self._listing = ListingProcess(asked.but(and_more=self._listings.path), environment=self.environment)
            return self._listing.whole()
        number = self._listings.ask(asked.to_argv())
        while not answered(self._listings.path, number):
            self._listing.check()
            time.sleep(_LOOK_SECONDS)
        return read_listed(asked.manifest, asked.plan)

    def end_listing(self) -> None:
        """End the process that lists; another begins where it is needed again."""
        if self._listing is not None:
            self._listing.close()
            self._listing = None
            self._listings = Asking(_next(self._listings.path))

    def begin_window(self, folder: Path, asked: ServingOptions) -> Prefetcher:
        """Have a window filled; return the process that does."""
        if self._prefetcher is None:
            self._prefetcher = WindowsPrefetcher(self._windows.path, asked, environment=self.environment)
        self._prefetcher.add(folder)
        meters = None if asked.meters is None else str(asked.meters)
        cache = asked_cache(asked)
        kept = None if cache is None else [str(cache[0]), cache[1]]
        self._windows.ask([str(folder), asked.window_size, asked.in_flight, meters, kept])
        return self._prefetcher

    def close(self) -> None:
        """End them."""
        self.end_listing()
        if self._prefetcher is not None:
            self._prefetcher.close()
        self._folder.close()


def _next(path: Path) -> Path:
    stem, _, number = path.name.partition("-")
    return path.with_name(f"{stem}-{int(number or 0) + 1}")
