"""``penstock inspect``: tell what lies at a URI, at a bounded cost."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from penstock.extras import lacking
from penstock.files import atomic_write
from penstock.inspection.found import Inspection, Picture
from penstock.inspection.looking import Limits, inspect
from penstock.inspection.page import as_page
from penstock.inspection.pictures import can_show
from penstock.inspection.terminal import as_lines
from penstock.secrets import redact_values
from penstock.steps._shared.common import source_from
from penstock.steps._shared.outputs import check_outputs
from penstock.steps.options.inspect import InspectOptions

NAME = "inspect"

__all__ = ["NAME", "run"]

PLAIN_COLUMNS = 120
"""Of a table that is written to no terminal."""


def run(args: InspectOptions) -> int:
    """Look, and tell."""
    if args.pictures and not can_show():
        raise lacking("--pictures needs Pillow", "images")
    check_outputs(args.html)
    limits = Limits(
        requests=args.max_requests,
        num_bytes=args.max_bytes,
        objects=args.max_objects,
        num_samples=args.samples,
        with_pictures=args.pictures or args.html is not None,
    )
    spec = source_from(args.uri, args)
    seen, pictures = asyncio.run(inspect(spec, limits, today=datetime.now(UTC).date()))
    # Before anything is cut: half of a secret is not recognised.
    found = msgspec.convert(redact_values(msgspec.to_builtins(seen)), Inspection)
    if args.html is not None:
        atomic_write(args.html, as_page(found, pictures).encode())
    if args.json:
        sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(found)).decode()}\n")
        return 0
    sys.stdout.write(as_lines(found, _shown(args, pictures), width=_columns()))
    return 0


def _shown(args: InspectOptions, pictures: Sequence[Picture]) -> Sequence[Picture]:
    """Return the pictures that the terminal is to show; tell where it cannot."""
    if not args.pictures:
        return ()
    if sys.stdout.isatty() and os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return pictures
    sys.stderr.write(
        "penstock inspect: no pictures are shown: standard output is no terminal of true colours "
        "(COLORTERM=truecolor); --html FILE has them\n"
    )
    return ()


def _columns() -> int:
    return shutil.get_terminal_size((PLAIN_COLUMNS, 24)).columns
