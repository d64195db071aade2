"""A surface is a way into the program from outside; every input of it is accepted or refused.

An input is made from a number alone, so that ``make fuzz ARGS="--surface images --first 17 --count
1"`` repeats the input with the number 17.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import resource
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

MOST_SECONDS = 2.0
MOST_BYTES = 1 << 30  # above the idle process
_MOST_CHARACTERS = 3000
_MOST_LINES = 100
# Words of libraries and of Python, which mean nothing to the one who sent the input.
_FOREIGN = re.compile(
    r"allow_pickle|Traceback|object at 0x|\[Errno|\berrno\b|codec can't|cv::|OpenCV\(|NoneType"
    r"|index out of|out of range|unpack requires|requires a buffer|not subscriptable"
    r"|pickle data|UnpicklingError|Error: |Exception|\.cpp|\.py\b|weights_only=True|struct\."
    r"|deserializing|out of memory|can't allocate",
)
# What to do: an instruction, or what is right instead.
_REMEDY = re.compile(
    r"\b(?:add|ask|calibrate|change|check|choose|clean|configure|connect|convert|copy|correct"
    r"|delete|expected|fetch|fill|fits|give|install|is missing|it has|keep|known|leave|list"
    r"|make|must|move|name|names|needs?|one of|pass|put|raises|recover|record|rectify|reindex"
    r"|remove|rename|repairs?|replace|replaces|run|save|say|send|set|stitch|takes?|try|use|write"
    r"|did you mean|only)\b",
    re.IGNORECASE,
)


class Surface(ABC):
    """One way in.

    Attributes:
        name: for the table.
        refusals: the errors that mean "refused", and no sub-class of them.
        share: of the inputs of a campaign, relative to the other surfaces.
    """

    name: ClassVar[str]
    refusals: ClassVar[tuple[type[Exception], ...]]
    share: ClassVar[float] = 1.0

    @abstractmethod
    def make(self, rng: random.Random) -> Any:
        """An input."""

    @abstractmethod
    def feed(self, item: Any) -> Sequence[Exception] | None:
        """Take an input as the program takes it; raises or returns what the program raises."""

    def close(self) -> None:  # noqa: B027
        """End what the surface holds."""


@dataclass(frozen=True)
class Trial:
    """What became of one input.

    Attributes:
        number: of the input.
        refusal: text of the refusal; None if it was accepted.
        seconds: wall clock.
        grown_bytes: most memory above that before the input; 0 where Linux does not tell.
        faults: what is wrong with it.
    """

    number: int
    refusal: str | None
    seconds: float
    grown_bytes: int
    faults: tuple[str, ...] = ()


def trial(surface: Surface, number: int, idle_bytes: int | None = None) -> Trial:
    """Feed one input.

    Args:
        idle_bytes: memory of the idle process; None does not measure memory.
    """
    item = surface.make(random.Random(number))
    refusal, faults = None, []
    if idle_bytes is not None:
        _forget_peak()
    began = time.monotonic()
    try:
        errors = list(surface.feed(item) or ())
    except Exception as error:
        errors = [error]
    seconds = time.monotonic() - began
    for error in errors:
        refusal = str(error)
        if type(error) in surface.refusals:
            faults += text_faults(refusal)
        else:
            faults.append(f"{type(error).__name__} instead of a refusal: {refusal[:200]!r}")
    grown = 0 if idle_bytes is None else max(0, _peak_bytes() - idle_bytes)
    if seconds > MOST_SECONDS:
        faults.append(f"took {seconds:.1f} s")
    if grown > MOST_BYTES:
        faults.append(f"took {grown / 2**20:.0f} MiB")
    return Trial(number, refusal, seconds, grown, tuple(faults))


def text_faults(text: str) -> Iterator[str]:
    """What is wrong with the text of a refusal: no value, no remedy, or words of a library."""
    shown = repr(text[:300])
    if not text.strip():
        yield "a refusal without a word"
    if len(text) > _MOST_CHARACTERS or text.count("\n") > _MOST_LINES:
        yield f"a refusal of {len(text)} characters: {shown}"
    if not all(c.isprintable() or c == "\n" for c in text):
        yield f"a refusal that cannot be printed: {shown}"
    if match := _FOREIGN.search(text):
        yield f"a refusal in the words of a library, {match[0]!r}: {shown}"
    if not re.search(r"[\d'\"/.:=]", text):
        yield f"a refusal that names no value: {shown}"
    if not _REMEDY.search(text):
        yield f"a refusal without a remedy: {shown}"


def memory_bytes() -> int:
    """Resident memory of this process, after giving back what can be given back; 0 elsewhere."""
    with _suppressed_libc() as libc:
        libc.malloc_trim(0)
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() if status.is_file() else 0


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+)", status.read_text()) if status.is_file() else None
    return 1024 * int(found[1]) if found else 0


def _forget_peak() -> None:
    """Let the peak begin at the present memory."""
    if os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")


@contextmanager
def _suppressed_libc() -> Iterator[Any]:
    try:
        yield ctypes.CDLL(None)
    except (AttributeError, OSError):  # another C library
        return
