"""The modes of a job: where its bytes come from after the first time."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.options.window import WindowOptions
from penstock.steps._shared.job_files import JobFiles
from penstock.steps.options.run import JobOptions
from penstock.window import asked_cache, check_cache_room, refuse_cache_of_sidecar

__all__ = ["check_cache", "in_mode"]


def in_mode(args: JobOptions, files: JobFiles) -> JobOptions:
    """Return the options of a job with what its mode makes of those of its steps.

    Raises:
        ConfigError: they do not go together.
    """
    if args.mode == "cache":
        return args.but(cache=args.cache or files.cache)
    if args.cache is not None:
        raise ConfigError(
            f"--cache {args.cache} beside --mode {args.mode}, which keeps nothing there",
            fix="pass --mode cache, or leave --cache out",
        )
    return args


def check_cache(args: WindowOptions) -> None:
    """Refuse a cache that nothing fits, that does not fit on its disk, or that nobody would fill.

    Raises:
        ConfigError, DiskFull: it is so.
    """
    cache = asked_cache(args)
    if cache is not None:
        check_cache_room(*cache)
    if args.prefetch == "sidecar":
        refuse_cache_of_sidecar(args)
