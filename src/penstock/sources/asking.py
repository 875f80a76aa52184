"""A source's spec as options of a step, and the other way round; what storage options mean for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.options.source import AccessOptions, SourceOptions
from penstock.sources.registry import find_scheme
from penstock.sources.scheme import COMMON, Scheme
from penstock.sources.storage_options import GivenOptions, StorageOptions, kind_of
from penstock.texts import did_you_mean
from penstock.urls import check_location

__all__ = ["read_storage_options", "source_options", "spec_of"]


def spec_of(uri: str, options: AccessOptions, *, option: str = "--source") -> SourceSpec:
    """Return the spec of a URI that is asked as the options say.

    Args:
        option: that gave the URI, for messages.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
    """
    uri = check_location(uri, option)
    own = _own_options(find_scheme(uri), options.source_option) if options.source_option else {}
    return SourceSpec.of(
        uri,
        endpoint_url=options.endpoint_url,
        region=options.region,
        anonymous=options.anonymous,
        requester_pays=options.requester_pays,
        **own,
    )


def source_options(spec: SourceSpec) -> SourceOptions:
    """Return the options that a step is told a source by."""
    others = {name: value for name, value in spec.options.items() if name not in COMMON}
    return SourceOptions(
        source=spec.uri,
        endpoint_url=spec.text("endpoint_url"),
        region=spec.text("region"),
        anonymous=spec.flag("anonymous"),
        requester_pays=spec.flag("requester_pays"),
        source_option=tuple(f"{name}={'true' if value is True else value}" for name, value in others.items()),
    )


def read_storage_options(uri: str, values: Any) -> StorageOptions:
    """Return what ``storage_options``, by fsspec's names, mean for a source.

    Raises:
        ConfigError: they are no dictionary, or one of them cannot be used; no value is shown.
    """
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise ConfigError(
            f"storage_options is no dictionary of options but {kind_of(values)}",
            fix='give one like {"anon": True}, by names of fsspec',
        )
    scheme = find_scheme(uri)
    given = GivenOptions(values)
    found = StorageOptions() if scheme.storage_options is None else scheme.storage_options(given)
    if scheme.inventory is not None:
        found = replace(found, options={**found.options, **_inventory_options(given)})
    given.end(scheme.title)
    return found


def _inventory_options(given: GivenOptions) -> dict[str, str]:
    """Return which inventory a source is listed by, and how many of its objects are looked up."""
    number = given.any("inventory_sample")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int | str)):
        raise given.wrong("inventory_sample", f"is no number but {kind_of(number)}", "give a number of objects")
    uri = given.any("inventory")
    uri = str(uri) if isinstance(uri, Path) else given.text("inventory")
    told = {"inventory": uri, "inventory_sample": None if number is None else str(number)}
    return {name: value for name, value in told.items() if value is not None}


def _own_options(scheme: Scheme, pairs: Sequence[str]) -> dict[str, str | bool]:
    """Read options like ``name=value``; what is wrong is told without the value, which may be a secret."""
    found: dict[str, str | bool] = {}
    known = [name for name in scheme.takes if name not in COMMON]
    for pair in pairs:
        name, _, value = pair.partition("=")
        name = name.replace("-", "_")
        if not value:
            raise ConfigError("--source-option has no value", fix="write it like --source-option NAME=VALUE")
        if name not in known:
            told = f"there is {', '.join(f'{each}=…' for each in known)}" if known else "leave it out"
            raise ConfigError(
                f"--source-option {name} means nothing for {scheme.title}", fix=f"{did_you_mean(name, known)}{told}"
            )
        found[name] = value
        if scheme.takes[name] is bool:
            if value.lower() not in ("true", "false"):
                raise ConfigError(f"--source-option {name} is neither true nor false", fix="write one of them")
            found[name] = value.lower() == "true"
    return found
