"""Benchmark results for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .ceiling import Ceiling
from .hardware import Hardware
from .measure import Difference, Measurement

_HEADER = (
    "work", "way", "evaluations", "median ms", "min .. max ms", "faster", "CPU ms", "memory MiB",
    "amount", "rate", "of ceiling", "largest difference",
)  # fmt: skip
_LEFT = 2  # columns of text


@dataclass(frozen=True)
class Stage:
    """One piece of work, done by all contenders; the first is the baseline.

    Attributes:
        work: what is done.
        measurements: one per contender.
        evaluations: of the network, one number per contender.
        differences: results of contenders against the baseline; of the one whose name theirs
            begins with, otherwise of the last.
        moved_bytes: for work that computes little: what has to be read and written at least. Then
            the ceiling is the copy, else the matrix product.
    """

    work: str
    measurements: tuple[Measurement, ...]
    evaluations: tuple[int, ...]
    differences: tuple[Difference, ...]
    moved_bytes: int = 0

    def speedup(self, index: int) -> float:
        """Median time of the baseline over that of a contender."""
        return self.measurements[0].median_s / self.measurements[index].median_s

    def share(self, index: int, ceiling: Ceiling) -> float:
        """Which part of the ceiling a contender reaches."""
        found = self.measurements[index]
        if self.moved_bytes:
            return self.moved_bytes / found.median_s / ceiling.copy_bytes_per_s
        return found.flop_per_s / ceiling.flop_per_s


@dataclass(frozen=True)
class Report:
    """One run of a benchmark.

    Attributes:
        bench: its name.
        hardware, ceiling: the machine and what it can do at best.
        memory: what the numbers for memory count.
        settings: what was asked for.
        stages: the results.
        notes: what a reader has to know.
    """

    bench: str
    hardware: Hardware
    ceiling: Ceiling
    memory: str
    settings: Mapping[str, Any]
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]


def table(report: Report) -> Table:
    """The results on a terminal."""
    result = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(_HEADER):
        result.add_column(title, justify="left" if index < _LEFT else "right", no_wrap=True)
    for row in _rows(report):
        result.add_row(*row)
    return result


def lines(report: Report) -> list[str]:
    """What stands around the table: machine, ceiling, settings, notes."""
    return [
        machine_line(report.hardware),
        ceiling_line(report.ceiling),
        ", ".join(f"{name} {_words(value)}" for name, value in report.settings.items()),
        f"memory: {report.memory}",
        *report.notes,
    ]


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def machine_line(machine: Hardware) -> str:
    """Device and software in words."""
    return f"{machine.device}, {machine.threads} CPU threads, torch {machine.torch_version}"


def ceiling_line(ceiling: Ceiling) -> str:
    """The ceiling in words."""
    return (
        f"ceiling: matrix product of {ceiling.matrix_size} in {ceiling.precision} "
        f"{ceiling.flop_per_s / 1e9:.0f} GFLOP/s, copy {ceiling.copy_bytes_per_s / 1e9:.1f} GB/s"
    )


def markdown(report: Report) -> str:
    """The results and what stands around them, as Markdown."""
    head = "|---" * _LEFT + "|--:" * (len(_HEADER) - _LEFT) + "|"
    rows = ["| " + " | ".join(row) + " |" for row in (_HEADER, *_rows(report))]
    text = [rows[0], head, *rows[1:], "", *(f"* {line}" for line in lines(report))]
    return "\n".join(text) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Everything, as plain values."""
    return {
        "bench": report.bench,
        "hardware": asdict(report.hardware),
        "ceiling": asdict(report.ceiling),
        "memory": report.memory,
        "settings": dict(report.settings),
        "stages": [
            {
                "work": stage.work,
                "moved_bytes": stage.moved_bytes,
                "contenders": [
                    {
                        **asdict(m),
                        "seconds": list(m.seconds),
                        "cpu_seconds": list(m.cpu_seconds),
                        "median_s": m.median_s,
                        "flop_per_s": m.flop_per_s,
                        "of_ceiling": stage.share(index, report.ceiling),
                        "speedup": stage.speedup(index),
                        "evaluations": stage.evaluations[index],
                    }
                    for index, m in enumerate(stage.measurements)
                ],
                "differences": [asdict(difference) for difference in stage.differences],
            }
            for stage in report.stages
        ],
        "notes": list(report.notes),
    }


def _rows(report: Report) -> list[tuple[str, ...]]:
    rows = []
    for stage in report.stages:
        apart = _differences(stage)
        for index, m in enumerate(stage.measurements):
            rows.append(
                (
                    stage.work if index == 0 else "",
                    m.name,
                    str(stage.evaluations[index]),
                    f"{1e3 * m.median_s:.1f}",
                    f"{1e3 * min(m.seconds):.1f} .. {1e3 * max(m.seconds):.1f}",
                    "" if index == 0 else f"{stage.speedup(index):.2f} x",
                    f"{1e3 * m.median_cpu_s:.1f}",
                    f"{m.peak_bytes / 2**20:.1f}",
                    *_amount(stage, m),
                    f"{stage.share(index, report.ceiling):.0%}",
                    "; ".join(apart[index]),
                )
            )
    return rows


def _differences(stage: Stage) -> list[list[str]]:
    """Of every contender, in words."""
    found: list[list[str]] = [[] for _ in stage.measurements]
    places = {m.name: index for index, m in enumerate(stage.measurements)}
    for difference in stage.differences:
        fits = [name for name in places if difference.what.startswith(f"{name} ")]
        name = max(fits, key=len, default="")
        what = difference.what.removeprefix(f"{name} ") if name else difference.what
        found[places.get(name, -1)].append(f"{what} {difference.largest:.1e}")
    return found


def _amount(stage: Stage, found: Measurement) -> tuple[str, str]:
    """How much work, and how much of it a second."""
    if stage.moved_bytes:
        rate = stage.moved_bytes / found.median_s
        return f"{stage.moved_bytes / 1e6:.1f} MB", f"{rate / 1e9:.2f} GB/s"
    return f"{found.flop / 1e9:.2f} GFLOP", f"{found.flop_per_s / 1e9:.1f} GFLOP/s"
