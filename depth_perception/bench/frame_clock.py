"""Times of frames and samples of memory, recorded by a node under test."""

from __future__ import annotations

import gc
import json
import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_STATM = Path("/proc/self/statm")
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class FrameTimes:
    """Seconds of one frame.

    Attributes:
        stamp_ns: of the image.
        total_s: from the start of the work to its end.
        model_s: in the model.
        publish_s: in the middleware's publish.
        work_cpu_s: processor time without model and publish, all threads.
    """

    stamp_ns: int
    total_s: float
    model_s: float
    publish_s: float
    work_cpu_s: float

    @property
    def work_s(self) -> float:
        """Conversion and packing: what is left."""
        return self.total_s - self.model_s - self.publish_s


@dataclass(frozen=True)
class MemorySample:
    """Memory after some frames.

    Attributes:
        frames: worked on so far.
        resident_bytes: of the process.
        blocks: that Python has allocated.
        objects: that the garbage collector knows.
    """

    frames: int
    resident_bytes: int
    blocks: int
    objects: int


class FrameClock:
    """Times of every frame of one worker thread, and samples of memory now and then."""

    def __init__(self, sample_every: int = 0) -> None:
        self.sample_every = sample_every
        self.frames: list[FrameTimes] = []
        self.samples: list[MemorySample] = []
        self._count = 0
        self._parts = {"model": [0.0, 0.0], "publish": [0.0, 0.0]}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time that counts as ``model`` or ``publish``."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._parts[name][0] += time.perf_counter() - wall
            self._parts[name][1] += time.process_time() - cpu

    @contextmanager
    def frame(self, stamp_ns: int) -> Iterator[None]:
        """The whole work on an image."""
        for spent in self._parts.values():
            spent[:] = 0.0, 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            model, publish = self._parts["model"], self._parts["publish"]
            self._count += 1
            if not self.sample_every:
                rest = cpu - model[1] - publish[1]
                self.frames.append(FrameTimes(stamp_ns, wall, model[0], publish[0], rest))
            elif self._count % self.sample_every == 0:
                self.samples.append(memory_sample(self._count))

    def write(self, path: Path, **more: object) -> None:
        """All that was noted, and more, as JSON."""
        content = {
            "frames": [asdict(frame) for frame in self.frames],
            "samples": [asdict(sample) for sample in self.samples],
            "peak_bytes": peak_resident_bytes(),
            **more,
        }
        path.write_text(json.dumps(content), encoding="utf-8")


def memory_sample(frames: int) -> MemorySample:
    """Memory at this moment, after a collection of garbage."""
    gc.collect()
    pages = int(_STATM.read_text().split()[1]) if _STATM.is_file() else 0
    return MemorySample(
        frames, pages * resource.getpagesize(), sys.getallocatedblocks(), len(gc.get_objects())
    )


def peak_resident_bytes() -> int:
    """Most memory this process had; getrusage would also count that of its parent before exec."""
    status = _STATUS.read_text() if _STATUS.is_file() else ""
    found = re.search(r"^VmHWM:\s*(\d+)", status, re.MULTILINE)
    return 1024 * int(found.group(1)) if found else 0
