"""Opening the objects of a source, whatever store it lies in."""

from __future__ import annotations

from penstock.records import Purpose, SourceSpec
from penstock.sources.local_objects import LocalObjects
from penstock.sources.meter import RequestMeter
from penstock.sources.objects_base import ObjectSource
from penstock.sources.patience import ClientLimits
from penstock.sources.s3_objects import S3Objects
from penstock.sources.uris import split_s3

__all__ = ["ObjectSource", "open_source"]

_DEFAULT_LIMITS = ClientLimits()


def open_source(
    spec: SourceSpec,
    *,
    limits: ClientLimits = _DEFAULT_LIMITS,
    meter: RequestMeter | None = None,
    purpose: Purpose = "data",
) -> ObjectSource:
    """Open the store that a source lies in; nothing is requested yet.

    Args:
        spec: of the source.
        limits: of requests; local folders have none.
        meter: counts what is sent and received; None is one of its own.
        purpose: of what is read; what is listed counts as ``listing``, unless it is a probe.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
        BucketNotFound: a local folder that does not exist.
    """
    if split_s3(spec.uri) is None:
        return LocalObjects(spec, meter=meter, purpose=purpose)
    return S3Objects(spec, limits=limits, meter=meter, purpose=purpose)
