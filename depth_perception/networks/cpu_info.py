"""What Linux says of the processor."""

from __future__ import annotations

from pathlib import Path

FILE = Path("/proc/cpuinfo")


def cpu_facts(name: str) -> tuple[str, ...]:
    """The different values of a line of ``/proc/cpuinfo``, in order; nothing on other systems."""
    if not FILE.is_file():
        return ()
    lines = FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines)
    return tuple(dict.fromkeys(value.strip() for key, _, value in pairs if key.strip() == name))
