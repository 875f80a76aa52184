"""Values of every field type that a record has, hostile ones among them."""

from __future__ import annotations

import types
from datetime import UTC
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from penstock.manifest import ManifestInfo, SourceSpec
from penstock.records import (
    AttemptRecord,
    AttemptsRecord,
    CostReport,
    Evaluation,
    ForecastRecord,
    JobRecord,
    Plan,
    Readiness,
    Record,
    RunRecord,
    StepRecord,
    StreamSpec,
)
from penstock.records.codec import Part

KINDS: tuple[type[Record], ...] = (
    ManifestInfo,
    Plan,
    StreamSpec,
    RunRecord,
    StepRecord,
    Evaluation,
    CostReport,
    JobRecord,
    Readiness,
    ForecastRecord,
    AttemptsRecord,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "null", "\x00", "\u2028", '"}', "\\", "sub-1/é\u0301", "🧠", "record", "version", "\ufeff", "1", "true"]
)
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**80), 2**80)
REAL = st.floats(allow_nan=False, allow_infinity=False)
MOMENT = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
EXACT = st.decimals(allow_nan=False, allow_infinity=False, places=9)


@cache
def values(kind: Any, *within: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of any type that a record's field may have; none holds one of its own kind."""
    plain = {Decimal: EXACT, str: TEXT, int: WHOLE, float: REAL, bool: st.booleans(), type(None): st.none(),
             bytes: st.binary(max_size=12)}  # fmt: skip
    if kind in plain:
        return plain[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of(values(arg, *within) for arg in args if arg not in within)
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple and args[0] in within:
        return st.just(())
    if origin is tuple and args[-1] is not Ellipsis:
        return st.tuples(*(values(arg, *within) for arg in args))
    if origin is tuple:
        return st.lists(values(args[0], *within), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(args[0], *within), values(args[1], *within), max_size=3)
    assert issubclass(kind, Part), kind
    fields = {
        name: values(hint, kind, *within)
        for name, hint in get_type_hints(kind).items()
        if name in kind.__struct_fields__
    }
    if kind is SourceSpec:  # refuses what is no URL
        fields |= {
            "uri": TEXT.map(lambda key: f"s3://bucket/{key}"),
            "options": st.sampled_from([{}, {"endpoint_url": "http://[::1]:9", "anonymous": True}]),
        }
    if kind is AttemptRecord:  # refuses what cannot have been
        fields |= {
            "started_at": MOMENT,
            "ended_at": MOMENT,
            "num_nodes": st.integers(1, 2**63 - 1),
            "seconds": st.dictionaries(TEXT, st.floats(0, allow_infinity=False), max_size=3),
        }
    return st.builds(kind, **fields)
