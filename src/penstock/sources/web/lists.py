"""Lists of URLs: a text of one URL a line, or a table (CSV, TSV) of url, size, checksums and etag.

Lines of a text may begin with a checksum in hex, as sha256sum and its like write them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.errors import ConfigError, SourceError
from penstock.sources.http.versions import DIGESTS
from penstock.sources.protocols import ObjectInfo
from penstock.sources.web.places import plain_url

__all__ = ["ListedAddress", "read_list"]

MAX_SIZE_BYTES = 1 << 50
_SUMMED = re.compile(r"([0-9A-Fa-f]{32,}) [ *](\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedAddress:
    """A URL of a list.

    Attributes:
        key: the URL, without ``https://``.
        size_bytes: None where the list does not tell it.
        etag: empty where the list does not tell it.
        digest: ``sha256:``, or another of ``DIGESTS``, and hex, empty where the list does not tell it.
    """

    url: str
    size_bytes: int | None
    etag: str
    digest: str

    @property
    def key(self) -> str:
        """The key that it is known by."""
        return self.url.removeprefix("https://")

    @property
    def info(self) -> ObjectInfo | None:
        """What is known, None where the server is to be asked."""
        if self.size_bytes is None or not (self.digest or self.etag):
            return None
        return self.of_size(self.size_bytes)

    def of_size(self, size_bytes: int, *, validator: str = "") -> ObjectInfo:
        """Return the file: a checksum names its content for good, and what the server tells is what it is asked by.

        Args:
            size_bytes: of the file.
            validator: that the server tells.
        """
        validator = self.etag or validator
        if not self.digest:
            return ObjectInfo(key=self.key, size_bytes=size_bytes, version=validator)
        return ObjectInfo(key=self.key, size_bytes=size_bytes, version=self.digest, validator=validator)


def read_list(text: str, about: str) -> Iterator[ListedAddress]:
    """Read a list.

    Args:
        about: what it is, as messages call it.

    Raises:
        SourceError: it is none; the message names the line.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    head = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    separator = "\t" if "\t" in head else ","
    columns = [name.strip().strip('"').lower() for name in head.split(separator)]
    has_header = "url" in columns
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#") or (has_header and line == head and not seen):
            continue
        if has_header:
            cells = next(csv.reader([line], delimiter=separator))
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        else:
            row = _plain_row(line.strip())
        try:
            listed = _listed(row)
        except (ConfigError, ValueError) as error:
            raise _bad(about, number, error.what if isinstance(error, ConfigError) else str(error)) from error
        if listed.url in seen:
            raise _bad(about, number, f"it names {listed.url} twice")
        seen.add(listed.url)
        yield listed


def _plain_row(line: str) -> dict[str, str]:
    """Return a line of a text: a URL, or a checksum, two spaces (or one and an asterisk) and a URL."""
    if (found := _SUMMED.fullmatch(line)) is None:
        return {"url": line}
    names = {num_digits: name for name, num_digits in DIGESTS.items()}
    return {"url": found[2], names.get(len(found[1]), "sha256"): found[1]}


def _listed(row: dict[str, str]) -> ListedAddress:
    url = plain_url(row.get("url", ""), "the URL")
    size = row.get("size", "")
    if size and not (size.isascii() and size.isdigit() and int(size) <= MAX_SIZE_BYTES):
        raise ValueError(f"a size of {size!r}, and it is to be a number of bytes")
    if etag := row.get("etag", ""):
        if etag.startswith("W/") or not (etag.isascii() and etag.isprintable()):
            raise ValueError(f"an ETag of {etag!r}, which is weak or none")
        etag = f'"{etag.strip(chr(34))}"'
    digest = ""
    for name, num_digits in DIGESTS.items():
        digits = row.get(name, "").lower()
        if digits and (len(digits) != num_digits or set(digits) - set("0123456789abcdef")):
            raise ValueError(f"{name} {digits!r}, which is not {num_digits} hex digits")
        digest = f"{name}:{digits}" if digits else digest
    return ListedAddress(url=url, size_bytes=int(size) if size else None, etag=etag, digest=digest)


def _bad(about: str, number: int, what: str) -> SourceError:
    return SourceError(
        f"line {number} of {about}: {what}",
        fix="write one URL a line, or a CSV with the header url,size,sha256 (or sha512, sha1, md5, etag)",
        about=about,
    )
