"""A source's spec as options of a step, and the other way round."""

from __future__ import annotations

from penstock.manifest import SourceSpec
from penstock.options.source import AccessOptions, SourceOptions
from penstock.urls import check_location

__all__ = ["source_options", "spec_of"]


def spec_of(uri: str, options: AccessOptions) -> SourceSpec:
    """Return the spec of a URI that is asked as the options say.

    Raises:
        ConfigError: the URI is not one that Penstock can use.
    """
    return SourceSpec.of(
        check_location(uri, "--source"),
        endpoint_url=options.endpoint_url,
        region=options.region,
        anonymous=options.anonymous,
        requester_pays=options.requester_pays,
    )


def source_options(spec: SourceSpec) -> SourceOptions:
    """Return the options that a step is told a source by."""
    return SourceOptions(
        source=spec.uri,
        endpoint_url=spec.text("endpoint_url"),
        region=spec.text("region"),
        anonymous=spec.flag("anonymous"),
        requester_pays=spec.flag("requester_pays"),
    )
