"""``make fuzz``: tens of thousands of damaged inputs, a table, and an exit status.

Every surface runs in a process of its own, which is watched: an input that ends it, or holds it
for a minute, is named, and the campaign goes on behind it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test"), str(ROOT)]

from fuzz.surfaces import MOST_BYTES, MOST_SECONDS, Surface, Trial, memory_bytes, trial  # noqa: E402

_HELD_S, _START_S = 60.0, 600.0
_WARM_UP = 8
_SHOWN = 5  # faults of each surface


def surfaces() -> dict[str, type[Surface]]:
    """All surfaces by name; importing them needs the ROS messages."""
    from fuzz import bags, checkpoints, media, messages, texts

    kinds = (
        messages.Nodes, messages.ParameterFiles, media.Images, media.CompressedMessages,
        media.Videos, media.DepthMaps, media.Points, checkpoints.Checkpoints, bags.Bags,
        texts.Recipes, texts.Classes, texts.Journals, texts.Lists, texts.Names,
    )  # fmt: skip
    return {kind.name: kind for kind in kinds}


@dataclass
class Row:
    """The figures of one surface."""

    name: str
    inputs: int = 0
    refused: int = 0
    slowest: Trial = field(default_factory=lambda: Trial(0, None, 0.0, 0))
    largest: Trial = field(default_factory=lambda: Trial(0, None, 0.0, 0))
    faults: list[str] = field(default_factory=list)

    def add(self, found: Trial) -> None:
        self.inputs += 1
        self.refused += found.refusal is not None
        self.slowest = max(self.slowest, found, key=lambda t: t.seconds)
        self.largest = max(self.largest, found, key=lambda t: t.grown_bytes)
        self.faults += [f"input {found.number}: {fault}" for fault in found.faults]

    def line(self) -> str:
        figures = (self.inputs, self.refused, self.inputs - self.refused)
        return (
            f"{self.name:18} {figures[0]:7} {figures[1]:8} {figures[2]:9} "
            f"{self.slowest.seconds:10.2f} {self.largest.grown_bytes / 2**20:8.0f} "
            f"{len(self.faults):7}"
        )


HEAD = (
    f"{'surface':18} {'inputs':>7} {'refused':>8} {'accepted':>9} {'slowest s':>10} {'MiB':>8} "
    f"{'faults':>7}"
)


def work(name: str, first: int, count: int) -> None:
    """In a process of its own: one line of JSON for each input, before and after it."""
    sys.stdout.reconfigure(line_buffering=True)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)  # decoders write there whatever they dislike
    with tempfile.TemporaryDirectory() as folder:
        surface = surfaces()[name](Path(folder))
        for number in range(_WARM_UP):
            trial(surface, 10**12 + number)
        idle = memory_bytes()
        for number in range(first, first + count):
            out.write(f"{number}\n")
            out.write(json.dumps(asdict(trial(surface, number, idle))) + "\n")
        surface.close()
    out.flush()
    os._exit(0)


def watch(name: str, first: int, count: int) -> Row:
    """Run one surface, and go on behind an input that ends the process."""
    row, end = Row(name), first + count
    while first < end:
        command = [sys.executable, __file__, "--work", name, str(first), str(end - first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as process:
            assert process.stdout is not None
            current: int | None = None
            for text in _lines(process):
                if text.isdecimal():
                    current = int(text)
                else:
                    found: dict[str, Any] = json.loads(text)
                    row.add(Trial(**{**found, "faults": tuple(found["faults"])}))
                    current, first = None, found["number"] + 1
            status = process.wait()
        if current is None and status == 0:
            break
        if current is None:
            row.faults.append(f"the process ended with status {status} between inputs")
            break
        what = "was ended after a minute" if status == -signal.SIGKILL else f"status {status}"
        row.add(Trial(current, None, 0.0, 0, (f"ends the process ({what})",)))
        first = current + 1
    return row


def _lines(process: subprocess.Popen) -> Any:
    """Lines of the process, which is killed when none comes for a minute."""
    buffer, patience_s = b"", _START_S
    descriptor = process.stdout.fileno()
    while True:
        ready, _, _ = select.select([descriptor], [], [], patience_s)
        chunk = os.read(descriptor, 1 << 16) if ready else b""
        if not ready:
            process.kill()
        elif not chunk:
            return
        patience_s = _HELD_S
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from (line.decode() for line in lines)


def _environment() -> dict[str, str]:
    quiet = {"OMP_NUM_THREADS": "1", "RCUTILS_LOGGING_SEVERITY": "FATAL"}
    return {**os.environ, **quiet, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def main() -> int:
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="inputs of all surfaces together")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--surface", action="append", help="only this one (may be repeated)")
    parser.add_argument("--live", type=int, default=1000, help="messages to live nodes over DDS")
    options = parser.parse_args()
    known = surfaces()
    chosen = options.surface or list(known)
    if unknown := sorted(set(chosen) - {*known, "live"}):
        parser.error(f"no surface {', '.join(unknown)}; there are: {', '.join([*known, 'live'])}")
    shares = {name: known[name].share for name in chosen if name in known}
    print(
        f"seeds from {options.first}; limits: {MOST_SECONDS:g} s, {MOST_BYTES >> 20} MiB above idle"
    )
    print(HEAD, flush=True)
    rows = []
    for name, share in shares.items():
        count = math.ceil(options.count * share / sum(shares.values()))
        rows.append(watch(name, options.first, count))
        print(rows[-1].line(), flush=True)
    if options.live and (not options.surface or "live" in options.surface):
        from fuzz.live import live_rows

        with tempfile.TemporaryDirectory() as folder:
            for row in live_rows(Path(folder), options.live, options.first):
                rows.append(row)
                print(row.line(), flush=True)
    for row in rows:
        for fault, count in Counter(row.faults[:_SHOWN]).items():
            print(f"{row.name}: {fault}" + (f" ({count} times)" if count > 1 else ""))
        if len(row.faults) > _SHOWN:
            print(f"{row.name}: ... and {len(row.faults) - _SHOWN} more")
    faults = sum(len(row.faults) for row in rows)
    inputs = sum(row.inputs for row in rows)
    verdict = f"{faults} FAULTS" if faults else "no fault"
    print(f"{inputs} inputs, {sum(row.refused for row in rows)} refused: {verdict}")
    return 1 if faults else 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
