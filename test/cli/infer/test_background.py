"""Jobs on threads: all finished, reported in order, errors passed on."""

from __future__ import annotations

import threading
import time

import pytest

from depth_perception.cli.infer.background import Background


def test_reports_come_in_order_in_the_thread_of_the_caller() -> None:
    reports: list[tuple[int, str, int]] = []
    finished: list[int] = []

    def job(number: int) -> None:
        time.sleep(0.02 if number % 2 == 0 else 0.0)
        finished.append(number)
        if number == 3:
            raise OSError("disk full")

    with Background(workers=3, waiting=4) as background:
        for number in range(10):
            background.submit(
                lambda n=number: job(n),
                lambda e, n=number: reports.append((n, str(e), threading.get_ident())),
            )
            assert len(finished) + 4 >= number
    assert sorted(finished) == list(range(10))
    expected = [(n, "disk full" if n == 3 else "None") for n in range(10)]
    assert [report[:2] for report in reports] == expected
    assert {report[2] for report in reports} == {threading.get_ident()}


def test_jobs_are_finished_when_the_block_is_left_by_an_error() -> None:
    written: list[int] = []

    def job() -> None:
        time.sleep(0.05)
        written.append(1)

    def interrupted() -> None:
        with Background() as background:
            background.submit(job, lambda error: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert written == [1]
