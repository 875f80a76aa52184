"""What the report tells of a mix."""

from __future__ import annotations

from penstock.records import MixShare
from penstock.report.page import render_markdown, render_report
from penstock.report.tables import mix_table
from penstock.steps._shared.mix_told import mix_lines
from support.runs import make_run


def test_the_drawn_shares_are_told_beside_those_by_weight() -> None:
    """Members of one source are told apart by their numbers; without a mix nothing is told."""
    given = ((0.75, 1500, 3100), (0.25, 500, 900))
    shares = tuple(MixShare(source="s3://b/<x>", share=a, planned=b, given=c) for a, b, c in given)
    run = make_run(mix=shares)
    table = mix_table(run)
    assert table is not None
    assert table.rows[0] == ("s3://b/<x> (member 0)", "75.0%", "1,500", "3,100", "77.5%")
    assert table.rows[-1] == ("total", "100%", "2,000", "4,000", "")
    assert mix_lines(run)[1] == "drawn of s3://b/<x> (member 1): 900 samples, 22.5 % of all; 25.0 % by its weight"
    asked = {"evaluation": None, "cost": None, "steps": [], "title": "T"}
    page, summary = render_report(run, **asked), render_markdown(run, **asked)  # type: ignore[arg-type]
    assert "s3://b/&lt;x&gt; (member 1)" in page
    assert "77.5%" in page
    assert "| 900 | 25.0% by its weight; 22.5% drawn |" in summary
    plain = make_run()
    assert mix_table(plain) is None
    assert not mix_lines(plain)
    assert "drawn of the mix" not in render_report(plain, **asked)  # type: ignore[arg-type]
