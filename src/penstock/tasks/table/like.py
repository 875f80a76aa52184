"""What an earlier listing of tables made of its rows, for another one to make the same of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError
from penstock.manifest import ManifestReader
from penstock.tasks.options import Options
from penstock.tasks.table.codec import RowsCodec
from penstock.tasks.table.encoding import Encoding, Number
from penstock.tasks.table.targets import PREDICT, Predict
from penstock.urls import expand_home

__all__ = ["Like", "read_like"]

_OF_ITS_OWN = ("columns", "categorical", "max_values", "predict", "statistics")
"""Options that an earlier listing has answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Like:
    """An earlier listing.

    Attributes:
        classes: none where a number is predicted.
    """

    manifest: str
    encoding: Encoding
    classes: tuple[str, ...]
    predict: Predict

    @property
    def numbers(self) -> set[str]:
        """Names of the columns of numbers."""
        return {column.name for column in self.encoding.columns if isinstance(column, Number)}


def read_like(chosen: Options) -> Like | None:
    """Read the manifest that the option ``like`` names; None where it names none.

    Raises:
        RecordError: it cannot be read.
        ConfigError: it is none of tables, of another target, or another option asks for what it says.
    """
    text = chosen.text("like")
    if text is None:
        return None
    other = next((name.replace("_", "-") for name in _OF_ITS_OWN if chosen.is_set(name)), None)
    if other is not None:
        raise ConfigError(
            f"the option {other} means nothing beside like, whose manifest says it", fix="leave one of them out"
        )
    path = Path(expand_home(text, "--option like"))
    with ManifestReader(path) as reader:
        info, first = reader.info, reader.row(0)
    if info.task != "table":
        raise ConfigError(f"the manifest {text} is of the task {info.task!r}", fix="give one of tables")
    target = info.task_options.get("target")
    if target != chosen.text("target"):
        raise ConfigError(
            f"the manifest {text} is of the target {target!r}, not {chosen.text('target')!r}",
            fix="give one of the same",
        )
    asked: Predict = next((each for each in PREDICT if each == info.task_options.get("predict")), "auto")
    return Like(
        manifest=text,
        encoding=Encoding.read(RowsCodec.read(first.codec).encoding),
        classes=info.classes,
        predict=asked if info.classes else "number",
    )
