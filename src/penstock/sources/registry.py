"""Schemes by name: Penstock's own, one line each, and those of installed packages (``penstock.sources``).

A scheme is imported when a URI names it. Own names win: no package changes what ``s3://`` means.
"""

from __future__ import annotations

from typing import cast

from penstock.errors import ConfigError
from penstock.extras import how_to_install, is_there
from penstock.plugins import Registry
from penstock.sources.fsspec.systems import known_names, knows
from penstock.sources.scheme import Scheme
from penstock.texts import nearest

__all__ = ["ENTRY_POINTS", "credential_variables", "find_scheme", "own_scheme_names", "scheme_name", "scheme_names"]

ENTRY_POINTS = "penstock.sources"
LOCAL = "file"

_SCHEMES = Registry(
    kind="scheme",
    group=ENTRY_POINTS,
    own={
        LOCAL: "penstock.sources.local.scheme:SCHEME",
        **dict.fromkeys(("az", "abfs", "abfss"), "penstock.sources.azure.scheme:SCHEME"),
        "gs": "penstock.sources.gcs.scheme:SCHEME",
        "hf": "penstock.sources.hub.scheme:SCHEME",
        "kaggle": "penstock.sources.kaggle.scheme:SCHEME",
        "s3": "penstock.sources.s3.scheme:SCHEME",
        **dict.fromkeys(
            ("https", "http", "urls+https", "urls+http", "urls+file"), "penstock.sources.web.scheme:SCHEME"
        ),
    },
)
_MEANT = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "gcsfs": "gs",
    "azure": "az",
    "wasb": "az",
    "wasbs": "az",
    "adl": "az",
    "path": LOCAL,
}
"""Names that other programs give to a scheme."""


def scheme_name(uri: str) -> str:
    """Return the name of a URI's scheme in lower case; a path is a local file's."""
    name, separator, _ = uri.partition("://")
    return name.lower() if separator else LOCAL


def scheme_names() -> list[str]:
    """Return the names of all schemes that can be used."""
    return sorted(_SCHEMES.names())


def own_scheme_names() -> tuple[str, ...]:
    """Return the names of our own schemes, which no installed package adds to."""
    return tuple(_SCHEMES.own)


def credential_variables() -> tuple[str, ...]:
    """Name the variables of the environment that hold credentials of Penstock's own schemes, and of fsspec's."""
    from penstock.sources.fsspec.scheme import CREDENTIAL_VARIABLES  # here: as are schemes, where they are asked for

    stores = (name for name in _SCHEMES.own if name != LOCAL)
    found = (cast("Scheme", _SCHEMES.load(name)).credential_variables for name in stores)
    return tuple(dict.fromkeys(variable for variables in (*found, CREDENTIAL_VARIABLES) for variable in variables))


def find_scheme(uri: str) -> Scheme:
    """Return the scheme of a URI or path.

    Raises:
        ConfigError: there is none of its name, or a package that brings it cannot be imported.
    """
    name = scheme_name(uri)
    if name not in _SCHEMES.names():
        if name not in _MEANT and knows(name):
            from penstock.sources.fsspec.scheme import scheme_of  # here: what it needs is an extra

            return scheme_of(name)
        raise _unknown(name, uri)
    scheme = _SCHEMES.load(name)
    if not isinstance(scheme, Scheme):
        raise ConfigError(
            f"what is to be the scheme {name}:// is no Scheme but {type(scheme).__name__}",
            fix="let the entry point name a penstock.sources.Scheme",
        )
    return scheme


def _unknown(name: str, uri: str) -> ConfigError:
    if "::" in uri:
        raise ConfigError(
            f"cannot use {uri!r}: it is a chain of file systems",
            fix="name where the archive lies, and read its members by its format (zip, tar)",
        )
    meant = _MEANT.get(name, name)
    names = scheme_names()
    close = meant if meant in names else nearest(name, [*names, *known_names()]) or _one_letter_off(name, names)
    hint = f"did you mean {close}://? " if close else ""
    return ConfigError(
        f"cannot use {uri!r}: there is no scheme {name!r}",
        fix=f"{hint}write it like s3://bucket/prefix, or as a local path; there is {_shown()}{_more()}",
    )


def _one_letter_off(name: str, names: list[str]) -> str:
    """Return a name of as many letters, all but one of which are the same; empty where there is none."""
    same = (each for each in names if len(each) == len(name))
    return next((each for each in same if sum(map(str.__ne__, each, name)) == 1), "")


def _more() -> str:
    return (
        ", and what fsspec knows" if is_there("fsspec") else f"; others are read by fsspec: {how_to_install('fsspec')}"
    )


def _shown() -> str:
    return ", ".join(f"{name}://" for name in scheme_names())
