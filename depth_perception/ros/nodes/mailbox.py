"""A mailbox with one slot, which keeps the newest item, and the thread that empties it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """At most one waiting item; a later one replaces it. Any thread may call any method.

    ``is_closed`` tells whether :meth:`close` was called.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self.is_closed = False

    def put(self, item: T) -> T | None:
        """Put an item; returns the one that it replaced, or None."""
        with self._changed:
            replaced, self._item = self._item, item
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for an item and remove it; None after the timeout or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self.is_closed, timeout_s)
            item, self._item = self._item, None
            return None if self.is_closed else item

    def clear(self) -> T | None:
        """Remove the waiting item and return it, or None."""
        with self._changed:
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake all waiting threads; :meth:`take` returns None from now on."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()


class Worker(Generic[T]):
    """One daemon thread that calls ``work`` with every item of a mailbox.

    An error of ``work``, whatever it is, goes to ``on_error`` and does not end the thread.
    """

    def __init__(
        self, work: Callable[[T], None], name: str, on_error: Callable[[BaseException], None]
    ) -> None:
        self.mailbox: Mailbox[T] = Mailbox()
        self._work = work
        self._on_error = on_error
        self._busy_since_s: float | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the thread has ended."""
        return self._ended.is_set()

    def busy_s(self, now_s: float) -> float:
        """Time since the work on the present item began, by the monotonic clock; 0 if idle."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else now_s - since_s

    def stop(self, timeout_s: float) -> bool:
        """End the thread; false if it is still inside ``work`` after the timeout."""
        self.mailbox.close()
        return self._ended.wait(timeout_s)

    def _run(self) -> None:
        # An event, as an interrupted Thread.join takes a running thread for ended.
        try:
            while not self.mailbox.is_closed:
                item = self.mailbox.take()
                if item is not None:
                    self._do(item)
        finally:
            self._ended.set()

    def _do(self, item: T) -> None:
        self._busy_since_s = time.monotonic()
        try:
            self._work(item)
        except BaseException as error:  # of any kind: the thread must go on
            with contextlib.suppress(Exception):
                self._on_error(error)
        finally:
            self._busy_since_s = None
