"""What a dataset is, on one line for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.dataset.functions import name_of
from penstock.secrets import redact
from penstock.texts import counted, printable

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset

__all__ = ["told_of"]

_SHOWN: Final = 80
"""Characters of a value."""
_USUAL: Final = {"memory": "2Gi", "decoded": False, "unmatched_share": 0.05}
"""Options that are as they are unless somebody says otherwise."""


def told_of(dataset: Dataset) -> str:
    """Return a line that names source, format, what is taken and which part it is."""
    return f"<Dataset {dataset.format} of {_plain(dataset.source['source'])}{'; '.join(['', *_parts(dataset)])}>"


def _parts(dataset: Dataset) -> Iterator[str]:
    match = dataset.source["match"]
    if match != "*":
        yield f"match {_plain(match)}"
    for name, value in dataset.options.items():
        if _USUAL.get(name) != value:
            yield f"{name} {_plain(value)}"
    if dataset.files:
        yield f"split {', '.join(dataset.files)}"
    if dataset.config:
        yield f"config {dataset.config}"
    fits = dataset.data.choice.fits
    for pattern in dataset.patterns:
        yield f"where {_plain(pattern)}"
    if fits:
        yield f"where by {counted(len(fits), 'function')} or pattern"
    if dataset.functions:
        yield " and ".join(_functions(dataset.functions))
    if dataset.group is not None:
        yield f"group {getattr(dataset.group, '__qualname__', type(dataset.group).__qualname__)}"
    if dataset.is_part:
        yield _part(dataset)
    elif dataset.has_own_parts:
        yield "with parts of its own"


def _functions(functions: Sequence[Callable[..., Any]]) -> Iterator[str]:
    """Tell of each kind of function how many there are, in the order in which kinds first come."""
    for name, number in Counter(map(name_of, functions)).items():
        yield f"{number:,} {name}" if name == "map_batches" else counted(number, name)


def _part(dataset: Dataset) -> str:
    data = dataset.data
    if data.split_seed is None:
        return f"part {data.split}"
    shares = ", ".join(
        f"{name} {share:.3g}" for name, share in zip(("train", "valid", "test"), data.fractions, strict=True) if share
    )
    return f"part {data.split} of {shares} (seed {data.split_seed})"


def _plain(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = printable(redact(text))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
