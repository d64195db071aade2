"""The result of a bench, for people and for programs."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from rich.console import Console

from ..io.atomic import write_text
from ..io.sheet import Sheet
from .options import Output

_PLAIN_WIDTH = 200  # columns of a table that is piped into a file or another program


@dataclass(frozen=True)
class Hardware:
    """Where and with what a benchmark ran.

    Attributes:
        device: name of the processor or graphics card.
        threads: of torch on the CPU.
        torch_version, python_version, system: software.
    """

    device: str
    threads: int
    torch_version: str
    python_version: str
    system: str

    def __str__(self) -> str:
        return f"{self.device}, {self.threads} CPU threads, torch {self.torch_version}"


@dataclass(frozen=True)
class Ceiling:
    """The best of several runs.

    Attributes:
        precision: of the matrix product.
        matrix_size: its three sides.
        flop_per_s: rate of the matrix product.
        copy_bytes_per_s: bytes read plus bytes written by a copy in the memory of the device.
    """

    precision: str
    matrix_size: int
    flop_per_s: float
    copy_bytes_per_s: float

    def __str__(self) -> str:
        return (
            f"ceiling: matrix product of {self.matrix_size} in {self.precision} "
            f"{self.flop_per_s / 1e9:.0f} GFLOP/s, copy {self.copy_bytes_per_s / 1e9:.1f} GB/s"
        )


@dataclass(frozen=True)
class Measurement:
    """What was found of one variant.

    Attributes:
        name: of the variant.
        seconds: of every repeat.
        peak_bytes: working memory, see :func:`memory_means`.
        flop: floating-point operations of matrix products, convolutions and attention.
        cpu_seconds: processor time of every repeat, all threads together, which other programs
            disturb less than the clock.
        evaluations: of the network in a run.
    """

    name: str
    seconds: tuple[float, ...]
    peak_bytes: int
    flop: int
    cpu_seconds: tuple[float, ...] = ()
    evaluations: int = 0

    @property
    def median_s(self) -> float:
        """Median of the repeats."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        """Median of the processor time; NaN where it was not taken."""
        return statistics.median(self.cpu_seconds) if self.cpu_seconds else math.nan

    @property
    def flop_per_s(self) -> float:
        """Achieved rate at the median time."""
        return self.flop / self.median_s


@dataclass(frozen=True)
class Difference:
    """The largest absolute difference of a result, and its largest absolute value."""

    what: str
    largest: float
    scale: float


@dataclass(frozen=True)
class Stage:
    """One piece of work, done by all variants; the first is the baseline.

    Attributes:
        work: what is done.
        measurements: one per variant.
        differences: results of variants against the baseline; of the one whose name theirs begins
            with, otherwise of the last.
        moved_bytes: for work that computes little: what has to be read and written at least. Then
            the ceiling is the copy, else the matrix product.
    """

    HEADER: ClassVar[tuple[str, ...]] = (
        "work", "way", "evaluations", "median ms", "min .. max ms", "faster", "CPU ms",
        "memory MiB", "amount", "rate", "of ceiling", "largest difference",
    )  # fmt: skip

    work: str
    measurements: tuple[Measurement, ...]
    differences: tuple[Difference, ...] = ()
    moved_bytes: int = 0

    def speedup(self, index: int) -> float:
        """Median time of the baseline over that of a variant."""
        return self.measurements[0].median_s / self.measurements[index].median_s

    def share(self, index: int, ceiling: Ceiling) -> float:
        """Which part of the ceiling a variant reaches."""
        found = self.measurements[index]
        if self.moved_bytes:
            return self.moved_bytes / found.median_s / ceiling.copy_bytes_per_s
        return found.flop_per_s / ceiling.flop_per_s

    def rows(self, ceiling: Ceiling) -> list[tuple[str, ...]]:
        """A row of :attr:`HEADER` for every variant."""
        return [
            (
                "" if index else self.work,
                m.name,
                str(m.evaluations),
                f"{1e3 * m.median_s:.1f}",
                f"{1e3 * min(m.seconds):.1f} .. {1e3 * max(m.seconds):.1f}",
                f"{self.speedup(index):.2f} x" if index else "",
                f"{1e3 * m.median_cpu_s:.1f}",
                f"{m.peak_bytes / 2**20:.1f}",
                *self._amount(m),
                f"{self.share(index, ceiling):.0%}",
                "; ".join(self._differences(index)),
            )
            for index, m in enumerate(self.measurements)
        ]

    def figures(self, ceiling: Ceiling) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "work": self.work,
            "moved_bytes": self.moved_bytes,
            "contenders": [
                {
                    **asdict(m),
                    "median_s": m.median_s,
                    "flop_per_s": m.flop_per_s,
                    "of_ceiling": self.share(index, ceiling),
                    "speedup": self.speedup(index),
                }
                for index, m in enumerate(self.measurements)
            ],
            "differences": [asdict(difference) for difference in self.differences],
        }

    def _amount(self, found: Measurement) -> tuple[str, str]:
        """How much work, and how much of it a second."""
        if self.moved_bytes:
            rate = self.moved_bytes / found.median_s
            return f"{self.moved_bytes / 1e6:.1f} MB", f"{rate / 1e9:.2f} GB/s"
        return f"{found.flop / 1e9:.2f} GFLOP", f"{found.flop_per_s / 1e9:.1f} GFLOP/s"

    def _differences(self, index: int) -> list[str]:
        """Those of a variant, in words."""
        names, found = [m.name for m in self.measurements], []
        for entry in self.differences:
            fits = [name for name in names if entry.what.startswith(f"{name} ")]
            if (owner := max(fits, key=len, default=names[-1])) == names[index]:
                found.append(f"{entry.what.removeprefix(f'{owner} ')} {entry.largest:.1e}")
        return found


@dataclass(frozen=True)
class Result:
    """What any bench found.

    Attributes:
        name: begin of the name of the file of numbers; empty: a part, which is not saved.
        hardware: the machine.
        header, rows: the table; the first ``text_columns`` are flush left.
        lines: text around the table.
        figures: everything as plain values.
        stages: the pieces of work, of a bench that compares variants.
        failure: the error that the bench ends with after its results are shown and saved.
    """

    name: str
    hardware: Hardware
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    text_columns: int = 1
    failure: str = ""

    @property
    def sheet(self) -> Sheet:
        """The table."""
        return Sheet(self.header, self.rows, self.text_columns)

    def markdown(self) -> str:
        """Table and lines as Markdown."""
        lines = "".join(f"* {line}\n" for line in self.lines)
        return f"{self.sheet.markdown()}\n{lines}" if self.header else lines

    def show(self, console: Console) -> None:
        """Print table and lines; in a file the table is as wide as it needs."""
        if self.header:
            wide = console if console.is_terminal else Console(width=_PLAIN_WIDTH)
            wide.print(self.sheet.table())
        for line in self.lines:
            console.print(line)

    def save(self, output: Output) -> None:
        """Write the files that are asked for."""
        numbers = json.dumps(self.figures, indent=1, default=str) + "\n"
        words = re.sub(r"[^a-z0-9]+", "-", self.hardware.device.lower()).strip("-")
        name = f"{self.name}-{words}-{self.hardware.threads}-threads.json"
        file = output.folder / name if output.folder else None
        texts = ((output.json, numbers), (output.markdown, self.markdown()), (file, numbers))
        for path, text in texts:
            if path is not None:
                write_text(path, text)
