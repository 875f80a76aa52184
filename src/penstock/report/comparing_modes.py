"""The modes of a job side by side: what each took, and whether they came to the same."""

from __future__ import annotations

from collections.abc import Callable

from penstock.records import ModesComparison, ModeTaken
from penstock.report.markdown import escape_markdown
from penstock.report.tables import Table
from penstock.units import format_bytes, format_seconds, format_usd

__all__ = ["modes_markdown", "modes_table", "modes_verdict"]

_DASH = "–"


def _seconds(value: float | None) -> str:
    return _DASH if value is None else format_seconds(value)


def _bytes(value: int) -> str:
    return format_bytes(value) if value else "0"


def _usd(each: ModeTaken) -> str:
    if each.unpriced and not each.usd:
        return f"{_DASH} *"
    return f"{format_usd(each.usd)}{' *' if each.unpriced else ''}"


_ROWS: tuple[tuple[str, Callable[[ModeTaken], str]], ...] = (
    ("listing", lambda each: _seconds(each.list_seconds)),
    ("preprocessing", lambda each: _seconds(each.preprocess_seconds)),
    ("training", lambda each: _seconds(each.train_seconds)),
    ("first epoch", lambda each: _seconds(each.first_epoch_seconds)),
    ("each later epoch", lambda each: _seconds(each.later_epoch_seconds)),
    ("waiting for data", lambda each: f"{100 * each.stall_share:.1f} %"),
    ("evaluation", lambda each: _seconds(each.evaluate_seconds)),
    ("all steps", lambda each: _seconds(each.total_seconds)),
    ("downloaded", lambda each: _bytes(each.bytes_downloaded)),
    ("requests", lambda each: f"{each.requests:,}"),
    ("read from what was kept", lambda each: _bytes(each.reused_bytes)),
    ("window at most", lambda each: _bytes(each.window_bytes)),
    ("cache", lambda each: _bytes(each.cache_bytes)),
    ("store", lambda each: _bytes(each.store_bytes)),
    ("disk at most", lambda each: _bytes(each.disk_bytes)),
    ("dollars", _usd),
)


def modes_table(found: ModesComparison) -> Table:
    """Return the table: a row a figure, a column a mode."""
    rows = [(name, *(tell(each) for each in found.modes)) for name, tell in _ROWS]
    scores = [_DASH if each.score is None else f"{each.score:.6g}" for each in found.modes]
    epochs = f"{found.num_epochs} epoch{'' if found.num_epochs == 1 else 's'}"
    return Table(
        caption=f"{found.task}, {found.model}, {epochs} of {found.source}",
        header=("", *(each.mode for each in found.modes)),
        rows=(*rows, (f"{found.split} {found.score}", *scores)),
    )


def modes_verdict(found: ModesComparison) -> list[str]:
    """Say whether the modes came to the same, by how much they differ where not, and what has no price."""
    weights = {each.weights_sha256 for each in found.modes}
    scores = {each.score for each in found.modes}
    same = len(weights) == 1 and None not in weights
    if same and len(scores) == 1:
        lines = ["All modes trained to the same weights, to the bit, and have the same score."]
    else:
        known = [each for each in scores if each is not None]
        spread = f"by {max(known) - min(known):.3g}" if len(known) == len(scores) > 1 else "not"
        told = "differ in their last bits or more" if not same else "are the same"
        lines = [f"The weights of the modes {told}; their scores differ {spread}."]
    unpriced = dict.fromkeys(what for each in found.modes for what in each.unpriced)
    if unpriced:
        lines.append(f"* Not in the dollars, for want of a price: {'; '.join(unpriced)}.")
    return lines


def modes_markdown(found: ModesComparison, *, title: str) -> str:
    """Return the comparison as Markdown."""
    table = modes_table(found)
    cells = [table.header, ("---", *("---:" for _ in found.modes)), *table.rows]
    lines = ["| " + " | ".join(row if row is cells[1] else map(escape_markdown, row)) + " |" for row in cells]
    heading, caption, *verdict = map(escape_markdown, (title, table.caption, *modes_verdict(found)))
    return "\n".join([f"# {heading}", "", caption, "", *lines, "", *verdict, ""])
