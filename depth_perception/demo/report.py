"""Figures of a replay: frames, latency, errors, and problems."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from . import recording as recorded
from .bags import InputBag
from .compare import Comparison, compare
from .replay import CLOUD, IMAGE, INSTANCES, OVERLAY, RECORDED

# Keys of the node's diagnostic status.
FRAMES_IN, FRAMES_DROPPED = "frames in", "frames dropped"
LATENCY_P50, LATENCY_P99 = "latency p50 (ms)", "latency p99 (ms)"


@dataclass(frozen=True)
class Traffic:
    """Frame counts and latency.

    Attributes:
        played: images that the player published.
        received, dropped: as counted by the node; None if unknown.
        published: depth images in the recording.
        unanswered: stamps of played images without a depth image.
        latency_p50_ms, latency_p99_ms: from the arrival of an image in the node to the
            publication of its depth, by the clock of the node; NaN if unknown.
    """

    played: int
    received: int | None
    published: int
    dropped: int | None
    unanswered: tuple[int, ...]
    latency_p50_ms: float
    latency_p99_ms: float


@dataclass(frozen=True)
class Report:
    """All figures of a replay.

    Attributes:
        traffic: frames and latency.
        comparison: comparison with ground truth; None without ground truth.
        topics: topics of the recording.
        problems: reasons of the failure; empty if the demonstration succeeded.
        drawn: topics that the board requires.
    """

    traffic: Traffic
    comparison: Comparison | None
    topics: tuple[recorded.Topic, ...]
    problems: tuple[str, ...]
    drawn: tuple[str, ...] = (IMAGE, CLOUD)

    @property
    def is_drawable(self) -> bool:
        """Whether all topics that the board requires were recorded."""
        counts = {topic.name: topic.count for topic in self.topics}
        return all(counts.get(f"/{name}") for name in self.drawn)


def make_report(
    source: InputBag, recording: Path, node_name: str, wanted: Sequence[str] = RECORDED
) -> Report:
    """Evaluate a recording of the node of this name.

    ``wanted`` are the topics on which messages are required.
    """
    topics = recorded.topics(recording)
    depth_m = recorded.depth_maps(recording, f"/{IMAGE}")
    comparison = None
    if source.truth_topic is not None:
        comparison = compare(depth_m, recorded.depth_maps(source.bag, source.truth_topic))
    traffic = _traffic(source, recording, node_name, tuple(depth_m))
    problems = tuple(_problems(traffic, comparison, topics, wanted))
    drawn = tuple(name for name in wanted if name in (IMAGE, CLOUD, OVERLAY, INSTANCES))
    return Report(traffic, comparison, topics, problems, drawn)


def median_frame(report: Report, stamps_ns: tuple[int, ...]) -> int:
    """Stamp of the frame with the median AbsRel, or of the middle one without ground truth."""
    scores = [] if report.comparison is None else report.comparison.frames
    frames = [frame for frame in scores if frame.stamp_ns in stamps_ns]
    if not frames:
        return stamps_ns[len(stamps_ns) // 2]
    frames = [frame for frame in frames if math.isfinite(frame.abs_rel)] or frames
    return sorted(frames, key=lambda frame: frame.abs_rel)[len(frames) // 2].stamp_ns


def print_report(console: Console, report: Report) -> None:
    """Print the figures as a table, and the problems below."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(style="bold", justify="right")
    table.add_column(style="dim")
    for row in _rows(report):
        table.add_row(*row)
    console.print(table)
    for problem in report.problems:
        console.print(f"[bold red]problem:[/] {problem}")


def _rows(report: Report) -> list[tuple[str, str, str]]:
    traffic, comparison = report.traffic, report.comparison
    dropped = f"not answered; {_count(traffic.dropped)} counted by the node (newest wins)"
    rows = [
        ("frames in", str(traffic.played), f"{_count(traffic.received)} reached the node"),
        ("frames out", str(traffic.published), "depth images in the recording"),
        ("frames dropped", str(len(traffic.unanswered)), dropped),
        ("latency p50", f"{traffic.latency_p50_ms:.0f} ms", "from image arrival to depth"),
        ("latency p99", f"{traffic.latency_p99_ms:.0f} ms", "by the clock of the node"),
    ]
    if comparison is not None:
        rows += [
            ("AbsRel", f"{comparison.abs_rel:.3f}", "up to 20 m, without alignment"),
            ("δ1", f"{comparison.delta1:.3f}", "share of pixels within 25 %"),
            ("coverage", f"{comparison.coverage:.1%}", "of these pixels have a depth"),
        ]
    return rows


def _traffic(
    source: InputBag, recording: Path, node_name: str, published_ns: tuple[int, ...]
) -> Traffic:
    values: dict[str, str] = {}
    for status in recorded.statuses(recording):
        if status.name.startswith(f"{node_name}:") and LATENCY_P50 in status.values:
            values = dict(status.values)
    return Traffic(
        played=len(source.stamps_ns),
        received=_whole(values.get(FRAMES_IN)),
        published=len(published_ns),
        dropped=_whole(values.get(FRAMES_DROPPED)),
        unanswered=tuple(sorted((Counter(source.stamps_ns) - Counter(published_ns)).elements())),
        latency_p50_ms=float(values.get(LATENCY_P50, math.nan)),
        latency_p99_ms=float(values.get(LATENCY_P99, math.nan)),
    )


def _problems(
    traffic: Traffic,
    comparison: Comparison | None,
    topics: tuple[recorded.Topic, ...],
    wanted: Sequence[str],
) -> list[str]:
    counts = {topic.name: topic.count for topic in topics}
    problems = []
    silent = [name for name in wanted if not counts.get(f"/{name.lstrip('/')}")]
    if silent:
        problems.append(f"nothing was recorded on {', '.join(silent)}")
    if traffic.published == 0:
        problems.append("the node published no depth image")
    if not np.isfinite([traffic.latency_p50_ms, traffic.latency_p99_ms]).all():
        problems.append("the diagnostics of the node contain no latency")
    if comparison is not None and not comparison.is_finite:
        problems.append("depth and ground truth have no common pixels")
    return problems


def _whole(text: str | None) -> int | None:
    return None if text is None else int(float(text))


def _count(value: int | None) -> str:
    return "an unknown number" if value is None else str(value)
