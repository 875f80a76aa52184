"""What was drawn of the members of a mix, told a person."""

from __future__ import annotations

from penstock.records import RunRecord

__all__ = ["mix_lines"]


def mix_lines(record: RunRecord) -> list[str]:
    """Return a line for each member of a mix; none where there is none."""
    total = sum(each.given for each in record.mix)
    return [
        f"drawn of {name}: {each.given:,} samples, {100 * each.given / max(total, 1):.1f} % of all; "
        f"{100 * each.share:.1f} % by its weight"
        for name, each in zip(record.mix_names, record.mix, strict=True)
    ]
