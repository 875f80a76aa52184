"""Counts of requests and bytes, kept as words of memory: of the process, or of a file that outlives it.

A request is counted just before its head is handed to the kernel, an answer when the end of its head has come, a
byte of a body when it was received. So at whatever moment a process is killed, at most the requests that it was about
to send are counted and were not seen, and nothing that was seen is missing. An answer is counted by the class of its
status; what has none was cut off, fell silent or is still under way.
"""

from __future__ import annotations

from typing import Any, get_args

from penstock.errors import BudgetSpent
from penstock.records import Meters, Purpose, RequestCount, RequestKind

__all__ = ["NUM_WORDS", "REFUSED", "Line", "RequestMeter"]

REFUSED = "requests"
"""What the error of a request that was not let through is about."""
_KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
_PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_CELLS = 5
"""Words of a line: requests sent, and answers of 2xx, 3xx, 4xx and 5xx."""
COUNTERS = (
    "bytes_downloaded",
    "bytes_uploaded",
    "wasted_bytes",
    "failed_requests",
    "retried_requests",
    "hedged_requests",
    "sample_bytes",
    "refetched_bytes",
    "reused_bytes",
    "fetching_microseconds",
    "starved_microseconds",
)
_AT = {name: place for place, name in enumerate(COUNTERS)}
_BUSY_AT = 13
"""Word of answers of 429 and 5xx, of all lines."""
_SPENT_AT, _RATE_AT = 14, 15
"""Words of what a run spent, and spends by the hour, in millionths of a dollar; 0 where nobody said."""
_LINES_AT = 16
"""Word of the first line; before it there is room for more counters."""
_MILLION = 10**6
NUM_WORDS = _LINES_AT + len(_KINDS) * len(_PURPOSES) * _CELLS


class Line:
    """The requests of one kind and purpose."""

    __slots__ = ("_at", "_words")

    def __init__(self, words: memoryview, at: int) -> None:
        self._words, self._at = words, at

    def sent(self, num_bytes: int) -> None:
        """Count a request that is about to be sent, with a body of so many bytes."""
        self._words[self._at] += 1
        if num_bytes:
            self._words[_AT["bytes_uploaded"]] += num_bytes

    def answered(self, status: int) -> None:
        """Count the answer to one; those of 1xx are no answers yet."""
        place = status // 100 - 1
        if 0 < place < _CELLS:
            self._words[self._at + place] += 1
        if status == 429 or status >= 500:
            self._words[_BUSY_AT] += 1

    def received(self, num_bytes: int) -> None:
        """Count bytes of an answer's body."""
        self._words[0] += num_bytes


class RequestMeter:
    """What one user of a source has sent and received.

    Args:
        words: where the counts are, ``NUM_WORDS`` of 8 bytes; None is memory of the process.
    """

    def __init__(self, words: memoryview | None = None) -> None:
        self.words = memoryview(bytearray(8 * NUM_WORDS)).cast("Q") if words is None else words
        self._num_left: int | None = None

    def allow(self, number: int | None) -> None:
        """Have ``grant`` let so many more requests through; None lets all."""
        self._num_left = None if number is None else max(number, 0)

    @property
    def is_spent(self) -> bool:
        """Whether no further request is let through."""
        return self._num_left == 0

    def grant(self) -> None:
        """Let a request through that is about to be made, each try by itself.

        Raises:
            BudgetSpent: as many as may be were let through.
        """
        if self._num_left is None:
            return
        if not self._num_left:
            raise BudgetSpent(
                "the requests that the run was given are made, or promised to its checkpoints and records",
                fix="run the same command with a larger --max-requests, or --max-usd, to go on",
                about=REFUSED,
            )
        self._num_left -= 1

    def line(self, kind: RequestKind, purpose: Purpose) -> Line:
        """Return the counts of requests of a kind and purpose."""
        return Line(self.words, _line_at(_KINDS.index(kind), _PURPOSES.index(purpose)))

    def tell_spent(self, usd: float, usd_per_hour: float) -> None:
        """Leave what a run spent so far, and spends by the hour, for whoever looks."""
        self.words[_SPENT_AT], self.words[_RATE_AT] = (max(0, round(each * _MILLION)) for each in (usd, usd_per_hour))

    @property
    def spent(self) -> tuple[float, float] | None:
        """US dollars that a run spent, and spends by the hour; None where nobody said."""
        usd, rate = int(self.words[_SPENT_AT]), int(self.words[_RATE_AT])
        return (usd / _MILLION, rate / _MILLION) if usd or rate else None

    def add(self, counter: str, number: int = 1) -> None:
        """Add to one of ``COUNTERS``."""
        self.words[_AT[counter]] += number

    def number(self, counter: str) -> int:
        """Return one of ``COUNTERS``."""
        return int(self.words[_AT[counter]])

    def read(self) -> Meters:
        """Return the counts so far."""
        counts: dict[str, Any] = {name: self.number(name) for name in COUNTERS}
        lines = (
            _read_line(self.words, kind, purpose) for kind in range(len(_KINDS)) for purpose in range(len(_PURPOSES))
        )
        return Meters(**counts, requests=tuple(line for line in lines if line.sent))

    @property
    def bytes_downloaded(self) -> int:
        """Bytes of bodies that were received, whatever became of them."""
        return self.number("bytes_downloaded")

    @property
    def failed_requests(self) -> int:
        """Requests that were given up."""
        return self.number("failed_requests")

    @property
    def busy_answers(self) -> int:
        """Answers of 429 and 5xx: what a server says that is asked for too much."""
        return int(self.words[_BUSY_AT])


def _line_at(kind: int, purpose: int) -> int:
    return _LINES_AT + (kind * len(_PURPOSES) + purpose) * _CELLS


def _read_line(words: memoryview, kind: int, purpose: int) -> RequestCount:
    at = _line_at(kind, purpose)
    # Answers first: what is sent meanwhile must not look answered.
    answers = [int(word) for word in words[at + 1 : at + _CELLS]]
    return RequestCount(
        kind=_KINDS[kind],
        purpose=_PURPOSES[purpose],
        sent=int(words[at]),
        answers_2xx=answers[0],
        answers_3xx=answers[1],
        answers_4xx=answers[2],
        answers_5xx=answers[3],
    )
