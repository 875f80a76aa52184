"""What a link really gives: plain requests over several connections, bodies thrown away."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Sequence

NUM_CONNECTIONS = 16
SETTLE_SECONDS = 0.2
"""Left out at the start: the bucket's first burst, and connections that begin one after another."""


def measure_rate(port: int, paths: Sequence[str], *, seconds: float) -> float:
    """Return the bytes of bodies that pass a second, while every connection always asks for more."""
    done, counts = threading.Event(), [0] * NUM_CONNECTIONS

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        turn = number
        while not done.is_set():
            connection.request("GET", paths[turn % len(paths)])
            answer = connection.getresponse()
            while read := len(answer.read(16 << 10)):
                counts[number] += read
            turn += NUM_CONNECTIONS
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(NUM_CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(SETTLE_SECONDS)
    began, before = time.perf_counter(), sum(counts)
    time.sleep(seconds)
    passed, ended = sum(counts) - before, time.perf_counter()
    done.set()
    for thread in threads:
        thread.join()
    return passed / (ended - began)
