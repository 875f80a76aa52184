"""Which file system of fsspec a scheme is, and how it is opened."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.errors import ConfigError, PenstockError
from penstock.extras import is_there
from penstock.manifest import SourceSpec
from penstock.secrets import redact
from penstock.sources.fsspec.options import from_environment

__all__ = ["System", "known_names", "knows", "open_system"]

_NO_PLACES = frozenset(
    {
        *("file", "local", "dir", "data", "zip", "tar", "libarchive", "archive", "reference", "generic", "git", "dask"),
        *("filecache", "simplecache", "blockcache", "cached", "async_wrapper", "asyncwrapper"),
    }
)
"""Those that only stand before others, or that are this machine's, or Penstock's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """A file system.

    Attributes:
        name: of the scheme.
        title: what its class is called.
        is_async: it knows asyncio.
        root: the path that the source's URI names, as the file system writes it.
        path_of: gives the path of another URI.
        open: makes one, with a connection of its own.
    """

    name: str
    title: str
    is_async: bool
    root: str
    path_of: Callable[[str], str]
    open: Callable[[], Any]


def knows(name: str) -> bool:
    """Tell whether fsspec has a file system of a name, that is a place."""
    return name in known_names()


@functools.cache
def known_names() -> frozenset[str]:
    """Return the names of fsspec's file systems that are places; none where it is not installed."""
    if not is_there("fsspec"):
        return frozenset()
    from fsspec.registry import known_implementations, registry

    return frozenset({*known_implementations, *registry} - _NO_PLACES)


def open_system(spec: SourceSpec) -> System:
    """Return the file system of a source; nothing is connected to.

    Raises:
        ConfigError: it cannot be imported, or is told options that it cannot use.
    """
    from fsspec.registry import get_filesystem_class

    name = spec.uri.partition("://")[0].lower()
    try:
        kind = get_filesystem_class(name)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"the file system of {name}:// cannot be used ({' '.join(str(error).split())})",
            fix="install the package that it names",
        ) from error
    options = from_environment(name)
    return System(
        name=name,
        title=kind.__name__,
        is_async=bool(kind.async_impl),
        root=kind._strip_protocol(spec.uri),
        path_of=kind._strip_protocol,
        open=functools.partial(_open, spec.uri, options),
    )


def _open(uri: str, options: dict[str, Any]) -> Any:
    """Make a file system that remembers no listings.

    Raises:
        ConfigError: it does not know an option, or lacks one.
    """
    from fsspec.core import url_to_fs

    try:
        fs, _ = url_to_fs(uri, skip_instance_cache=True, **options)
    except PenstockError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        told = redact(f"{type(error).__name__}: {error}")
        raise ConfigError(
            f"the file system of {uri} cannot be opened ({' '.join(told.split())[:200]})",
            fix="give its options by storage_options, or FSSPEC_<SCHEME>_<NAME> in the environment",
        ) from error
    if (cache := getattr(fs, "dircache", None)) is not None and hasattr(cache, "use_listings_cache"):
        cache.use_listings_cache = False
    return fs
