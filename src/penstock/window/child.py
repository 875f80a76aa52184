"""The prefetcher from the trainer's side: a sidecar that serves the window already, or a child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from penstock.children.step import ChildStep, Program, Restarts
from penstock.errors import ConfigError, NotOurs, PrefetcherLost, WindowError
from penstock.options.window import CacheOptions, ServingOptions
from penstock.window.cache import asked_cache, check_cache_place
from penstock.window.control import Control
from penstock.window.ownership import is_served_by_sidecar
from penstock.window.room import check_room

__all__ = ["Prefetcher", "WindowsPrefetcher", "refuse_cache_of_sidecar", "start_prefetcher"]

RESTARTS = Restarts(deaths=20)
"""A window goes on where it was: one that is killed over and over costs little."""


class Prefetcher(ChildStep):
    """A child process that serves a window until it is closed.

    Args:
        folder: of the window.
        options: of the window.
        environment: variables that it has beside this process's; None takes one away.
    """

    def __init__(
        self, folder: Path, options: ServingOptions, *, environment: Mapping[str, str | None] | None = None
    ) -> None:
        program = _program(environment, about=str(folder), progress=partial(_fetched, folder))
        super().__init__(program, options.but(window=folder, prefetch="auto", until_stdin_closes=True))


class WindowsPrefetcher(Prefetcher):
    """A child process that serves several windows, until it is closed.

    Args:
        path: of the file that names them.
    """

    def __init__(
        self, path: Path, options: ServingOptions, *, environment: Mapping[str, str | None] | None = None
    ) -> None:
        self._folders: list[Path] = []
        program = _program(environment, about=None, progress=lambda: [_fetched(each) for each in list(self._folders)])
        asked = options.but(window=None, and_more=path, prefetch="auto", until_stdin_closes=True)
        ChildStep.__init__(self, program, asked)

    def add(self, folder: Path) -> None:
        """Note a window that it serves."""
        self._folders.append(folder)


def _program(
    environment: Mapping[str, str | None] | None, *, about: str | None, progress: Callable[[], object]
) -> Program:
    return Program(
        words=("penstock", "prefetch"),
        name="the prefetcher",
        event="prefetcher",
        restarts=RESTARTS,
        lost=PrefetcherLost,
        fix="see its log; run it again, with more memory where that was short",
        idle=" without fetching anything",
        about=about,
        progress=progress,
        environment=environment or {},
    )


def _fetched(folder: Path) -> tuple[str, int]:
    """Return what changes whenever something was fetched."""
    try:
        control = Control(folder, writable=False)
    except (OSError, WindowError, NotOurs):
        return "", 0
    return control.session, control.num_filled


def refuse_cache_of_sidecar(options: CacheOptions) -> None:
    """Refuse a cache that is asked for where a sidecar fills the window, which knows nothing of it.

    Raises:
        ConfigError: there is one.
    """
    if options.cache is not None:
        raise ConfigError(
            f"--cache {options.cache} is given, and a sidecar fills the window",
            fix="give the sidecar the cache: --cache and --cache-size of `penstock prefetch`",
        )


def start_prefetcher(
    folder: Path, options: ServingOptions, *, environment: Mapping[str, str | None] | None = None
) -> Prefetcher | None:
    """Start a child if none serves a window, and the options do not say otherwise; None where a sidecar does, or will.

    Args:
        folder: of the window.
        options: of the window; their ``prefetch`` says who serves it.
        environment: variables that the child has beside this process's; None takes one away.

    Raises:
        ConfigError: they ask for a cache, which the sidecar would know nothing of.
        DiskFull: the window, or the cache, finds no room.
        PenstockError: the child cannot be started.
    """
    if options.prefetch == "sidecar" or (options.prefetch == "auto" and is_served_by_sidecar(folder)):
        refuse_cache_of_sidecar(options)
        return None
    check_room(folder, options.window_bytes)
    if (cache := asked_cache(options)) is not None:
        check_cache_place(*cache)
    return Prefetcher(folder, options, environment=environment)
