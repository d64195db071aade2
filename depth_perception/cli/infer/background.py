"""Writing files while the network already processes the next image."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

Job = Callable[[], None]
Done = Callable[["Exception | None"], None]


class Background(AbstractContextManager):
    """Runs jobs on a few threads: ``with Background() as background: background.submit(...)``.

    At the end of the block all jobs are finished. ``done`` is called in the thread of the caller,
    in the order of submission, with the exception of the job or None.

    Args:
        workers: number of threads.
        waiting: largest number of unfinished jobs, beyond which submitting waits; this bounds the
            memory.
    """

    def __init__(self, workers: int = 2, waiting: int = 4) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="writer")
        self._waiting = waiting
        self._pending: deque[tuple[Future[None], Done]] = deque()

    def __exit__(self, *_: object) -> None:
        try:
            self.drain()
        finally:
            self._executor.shutdown()

    def submit(self, job: Job, done: Done) -> None:
        """Start ``job`` and call ``done`` in one of the next calls of this object."""
        while len(self._pending) >= self._waiting:
            self._collect()
        self._pending.append((self._executor.submit(job), done))

    def abandon(self) -> None:
        """Forget the jobs that have not begun, and wait for the others without reporting them."""
        self._pending.clear()
        self._executor.shutdown(cancel_futures=True)

    def drain(self) -> None:
        """Wait until every job is finished and reported."""
        while self._pending:
            self._collect()

    def _collect(self) -> None:
        future, done = self._pending[0]
        error = future.exception()
        self._pending.popleft()
        if error is not None and not isinstance(error, Exception):
            raise error
        done(error)
