"""``make killed``: runs are killed (SIGKILL) at random moments, then run again.

After each kill no visible file is incomplete; after the next run nothing is left behind and the
results are those of a run that nobody disturbed. Libraries are imported once, and every run is a
fork of this process, so that the moments fall into the work and not into the imports.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test"), str(ROOT)]

import cv2  # noqa: E402
import torch  # noqa: E402
from killed.jobs import JOBS, Job, remove  # noqa: E402

_PATIENCE_S = 300.0
_LATE = 1.1  # kills are spread over this share of the time of a run
_SHOWN = 8
_LIBRARIES = (
    "lightning", "depth_perception.training.panda.task", "depth_perception.training.run",
    "depth_perception.cli.infer.run", "depth_perception.cli.worlds", "depth_perception.data.worlds",
)  # fmt: skip


@dataclass
class Row:
    """The figures of one job."""

    name: str
    run_s: float
    kills: int = 0
    finished: int = 0
    problems: list[str] = field(default_factory=list)

    def line(self) -> str:
        early = self.kills - self.finished
        return f"{self.name:12} {self.run_s:6.1f} {self.kills:6} {early:9} {len(self.problems):9}"


HEAD = f"{'command':12} {'run s':>6} {'kills':>6} {'in time':>9} {'problems':>9}"


def forked(work: Callable[[], None], log: Path) -> int:
    """Run something in a fork of this process; its process."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        with log.open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            sys.stdout = sys.stderr = output
            try:
                work()
                status = 0
            except BaseException:
                traceback.print_exc()
            output.flush()
    finally:
        os._exit(status)


def ended(process: int, after_s: float = _PATIENCE_S) -> bool:
    """Wait, then kill; whether it ended by itself and well."""
    deadline = time.monotonic() + after_s
    while time.monotonic() < deadline:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return False


def series(job: Job, count: int, seed: int, folder: Path) -> Row:
    """Kill a job ``count`` times, each in a folder of its own."""
    inputs, whole, log = folder / "inputs", folder / "whole", folder / "log"
    folder.mkdir(parents=True)
    inputs.mkdir()
    whole.mkdir()

    def done(work: Callable[[], None], what: str) -> float:
        began = time.monotonic()
        if not ended(forked(work, log)):
            raise RuntimeError(f"{job.name}: {what} failed\n{log.read_text()}")
        return time.monotonic() - began

    done(lambda: job.prepare(inputs), "making the inputs")
    done(lambda: job.run(inputs, whole), "the run that nobody disturbs")
    again = folder / "again"
    again.mkdir()
    run_s = done(lambda: job.run(inputs, again), "a second such run")  # with warm caches
    if problems := checked(job.differing, again, whole):
        raise RuntimeError(f"{job.name}: two undisturbed runs differ: {problems}")
    remove(again)
    row, rng = Row(job.name, run_s), random.Random(seed)
    for number in range(count):
        out = folder / f"out{number}"
        out.mkdir()
        moment_s = rng.uniform(0.0, _LATE * run_s)
        row.finished += ended(forked(lambda out=out: job.run(inputs, out), log), moment_s)
        row.kills += 1
        what = f"{job.name}, kill {number} after {moment_s:.3f} s"
        row.problems += [f"{what}: {text}" for text in checked(job.torn, out, whole)]
        try:
            done(lambda out=out: job.run(inputs, out), "the next run")
        except RuntimeError as error:
            row.problems.append(f"{what}: {str(error)[-600:]}")
        else:
            row.problems += [f"{what}: {text}" for text in checked(job.differing, out, whole)]
        remove(out)
    return row


def checked(check: Callable[[Path, Path], list[str]], out: Path, whole: Path) -> list[str]:
    """The problems that a check finds; one that fails is a problem too."""
    try:
        return check(out, whole)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make killed ARGS=...", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--job", action="append", choices=list(JOBS), help="only this one")
    options = parser.parse_args()
    preload()
    print(HEAD, flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.job or JOBS:
            job = JOBS[name]()
            rows.append(series(job, options.count, options.seed, Path(folder, name)))
            print(rows[-1].line(), flush=True)
    for row in rows:
        print("\n".join(row.problems[:_SHOWN]), end="\n" if row.problems else "")
    problems = sum(len(row.problems) for row in rows)
    kills = sum(row.kills for row in rows)
    print(f"{kills} kills: {f'{problems} PROBLEMS' if problems else 'no problem'}")
    return 1 if problems else 0


def preload() -> None:
    """Import what the runs need, and use one thread: a fork has no threads of its parent."""
    for name in _LIBRARIES:
        import_module(name)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
