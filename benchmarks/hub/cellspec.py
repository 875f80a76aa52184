"""The values that pass between the harness and the process of a cell.

Knows the standard library alone: it is imported in the environment of Penstock and in that of the peers.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CellSpec:
    """One measurement: an example by one side.

    Attributes:
        side: module of ``benchmarks.hub`` that has the example.
        endpoint: address of the Hub.
        scratch: folder of the cell's own.
        num_rows: of a text repository.
        position: file of the position that a run before left; empty where there is none.
        leaves: iterate to the middle and leave the position there, instead of measuring.
        profile: file for a profile; empty makes none.
    """

    example: str
    side: str
    endpoint: str
    scratch: str
    num_rows: int
    position: str = ""
    leaves: bool = False
    profile: str = ""

    @property
    def window_folder(self) -> Path:
        """Where a window may lie."""
        return Path(self.scratch) / "window"


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell gave.

    Attributes:
        digest: sum over all rows of a hash of their content, modulo 2**64: the same for the same rows in any order.
        num_distinct: of the rows, how many are different.
        first_keys: keys of the first rows.
        import_seconds: of the library, within ``first_seconds``.
        first_seconds: from before the library is imported to the first row.
        seconds: from then to the last row.
        cpu_seconds: of the process and its children; the trainer's own imports (torch) left out.
    """

    num_rows: int = 0
    num_distinct: int = 0
    digest: int = 0
    first_keys: tuple[str, ...] = ()
    import_seconds: float = 0.0
    first_seconds: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def encode(value: CellSpec | CellResult) -> str:
    """Write a value as JSON."""
    return json.dumps(dataclasses.asdict(value))


def decode_spec(text: str) -> CellSpec:
    """Read a cell's specification."""
    return CellSpec(**json.loads(text))


def decode_result(text: str) -> CellResult:
    """Read a cell's result."""
    found: Mapping[str, Any] = json.loads(text)
    return CellResult(**{**found, "first_keys": tuple(found["first_keys"])})
