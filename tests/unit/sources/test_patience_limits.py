"""How long a source is tried, of how long somebody waits for it."""

from __future__ import annotations

import pytest

from penstock.sources import ClientLimits
from penstock.sources.patience import limits_within


@pytest.mark.parametrize("seconds", [0.5, 5, 24, 25, 60, 79, 80, 100, 119, 120, 150, 179])
def test_a_source_that_never_answers_is_given_up_within_the_time(seconds: float) -> None:
    limits = limits_within(seconds)
    # A last try begins when there is no time left, and what hangs is found out up to a quarter late.
    last_try_seconds = limits.connect_timeout_seconds + 1.25 * limits.request_timeout_seconds
    assert limits.retry_seconds + last_try_seconds < seconds
    assert limits.first_answer_seconds <= limits.retry_seconds


@pytest.mark.parametrize("seconds", [180, 300, 1e9])
def test_who_has_time_waits_as_long_as_ever(seconds: float) -> None:
    assert limits_within(seconds) == ClientLimits()
