"""What is to be known of ``hf://``."""

from __future__ import annotations

from functools import partial

from penstock.manifest import SourceSpec
from penstock.sources.hub.objects import HubObjects
from penstock.sources.hub.places import find_place
from penstock.sources.hub.storage_options import read_options
from penstock.sources.scheme import Scheme, without_path, written_out

__all__ = ["SCHEME"]


def _locate(spec: SourceSpec) -> SourceSpec:
    find_place(spec)
    return spec


SCHEME = Scheme(
    title="the Hugging Face Hub",
    example="hf://datasets/org/name@revision/path",
    locate=_locate,
    open=HubObjects,
    may_fork=True,
    same_place=partial(written_out, find_place),
    root=partial(without_path, find_place),
    takes={"endpoint_url": str, "anonymous": bool},
    storage_options=read_options,
    credential_variables=("HF_TOKEN",),
)
