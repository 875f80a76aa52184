"""Where a step's outputs are to lie, looked at before it begins."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from penstock.errors import ConfigError
from penstock.files import refuse_not_plain
from penstock.sources import RequestMeter, open_blobs

__all__ = ["check_outputs", "check_writable"]


def check_outputs(*paths: Path | None, inputs: Sequence[Path | None] = ()) -> None:
    """Look whether files can be written where they are to lie; folders that lack are made.

    Args:
        paths: of the outputs; None is one that is not wanted.
        inputs: files that the step reads.

    Raises:
        ConfigError: two outputs are to lie at one path, or one where an input lies.
        PenstockError: one cannot be written.
    """
    wanted = [path for path in paths if path is not None]
    taken = {os.path.realpath(path) for path in inputs if path is not None}
    for path in wanted:
        refuse_not_plain(path)
        place = os.path.realpath(path)
        if place in taken:
            raise ConfigError(
                f"{path} is given for an output and for another file too",
                fix="give each output a file of its own",
                about=str(path),
            )
        taken.add(place)
    for folder in dict.fromkeys(path.absolute().parent for path in wanted):
        check_writable(str(folder))


def check_writable(place: str, *, endpoint_url: str | None = None, meter: RequestMeter | None = None) -> None:
    """Write a thing to a folder or an ``s3://`` place and remove it again.

    Raises:
        PenstockError: it cannot be written or removed.
    """
    blobs = open_blobs(place, endpoint_url=endpoint_url, meter=meter, purpose="probe")
    name = f"probe-{uuid.uuid4().hex[:12]}"
    blobs.write(name, b"penstock looked whether it may write here\n")
    blobs.delete(name)
