"""What is to be known of ``kaggle://``."""

from __future__ import annotations

from functools import partial

from penstock.manifest import SourceSpec
from penstock.sources.kaggle.objects import KaggleObjects
from penstock.sources.kaggle.places import find_place
from penstock.sources.kaggle.storage_options import read_options
from penstock.sources.scheme import Scheme, without_path, written_out

__all__ = ["SCHEME"]


def _locate(spec: SourceSpec) -> SourceSpec:
    find_place(spec)
    return spec


SCHEME = Scheme(
    title="Kaggle",
    example="kaggle://datasets/owner/name@version/path",
    locate=_locate,
    open=KaggleObjects,
    may_fork=True,
    same_place=partial(written_out, find_place),
    root=partial(without_path, find_place),
    payee=lambda uri, server: "unknown" if server else "nobody",
    takes={"endpoint_url": str, "anonymous": bool, "archive": bool},
    storage_options=read_options,
    credential_variables=("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"),
)
