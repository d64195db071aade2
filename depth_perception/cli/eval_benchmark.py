"""The part of ``depth-perception eval`` that judges pinhole models on published benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..data.frames import PinholeReader
    from ..estimators import Estimator


@dataclass(frozen=True)
class BenchmarkJob:
    """What shall be judged how; see ``depth-perception eval --help``."""

    model: str
    benchmark: str
    root: Path
    listing: Path | None = None
    protocol: Literal["auto", "ppd", "plain"] = "auto"
    align: Literal["auto", "none", "median", "scale_shift"] = "auto"
    max_depth_m: float | None = None
    checkpoint: Path | None = None
    semantics_checkpoint: Path | None = None
    steps: int | None = None
    device: str | None = None
    height: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Judged:
    """Results for the terminal, for programs, and as Markdown."""

    table: Table
    summary: str
    document: dict[str, Any]
    markdown: str


def judge(job: BenchmarkJob, console: Console) -> Judged:
    """Load the model and judge it.

    Raises:
        KeyError: no such model.
        OSError, ValueError: files, options, or the model do not fit.
    """
    from rich.progress import track

    from ..data.benchmarks import BENCHMARKS
    from ..systems.catalog import card, recipe

    if card(job.model).camera != "pinhole":
        raise ValueError(f"{job.model} is no model of pinhole cameras, as {job.benchmark} needs")
    family = recipe(job.model).family
    protocol = job.protocol
    if protocol == "auto":
        protocol = "ppd" if family == "ppd" else "plain"
    if protocol == "ppd" and job.align != "auto":
        raise ValueError("--protocol ppd aligns as published: leave --align out")
    if protocol == "plain" and family == "ppd":
        raise ValueError(f"{job.model} is judged as relative depth: take --protocol ppd")
    reader = BENCHMARKS[job.benchmark](job.root, job.listing)
    estimator = _estimator(job, family)
    count = len(reader) if job.limit is None else min(job.limit, len(reader))
    indices = [i * len(reader) // count for i in range(count)]
    steps = list(indices)
    if console.is_terminal:
        steps = track(indices, job.model, console=console)
    return (_as_published if protocol == "ppd" else _plain)(job, estimator, reader, steps)


def _estimator(job: BenchmarkJob, family: str) -> Estimator:
    from ..estimators import load

    options: dict[str, Any] = {} if job.height is None else {"height": job.height}
    of_ppd = {"steps": job.steps, "semantics_checkpoint": job.semantics_checkpoint}
    given = {name: value for name, value in of_ppd.items() if value is not None}
    if family == "ppd":
        options |= {"align": "none", **given}
    elif given:
        raise ValueError(f"{', '.join(given)}: only Pixel-Perfect Depth has these options")
    return load(job.model, job.checkpoint, job.device, **options)


def _as_published(
    job: BenchmarkJob, estimator: Estimator, reader: PinholeReader, indices: Sequence[int]
) -> Judged:
    from ..evaluation.pinhole import BENCHMARK_PARTS, PUBLISHED, evaluate_relative, log_depth_of
    from ..evaluation.report import relative_document, relative_markdown, relative_table

    if job.max_depth_m is not None:
        raise ValueError("--protocol ppd has the published limits: leave --max-depth out")
    result = evaluate_relative(
        job.model,
        log_depth_of(estimator),
        reader,
        BENCHMARK_PARTS[job.benchmark],
        indices=indices,
    )
    published = PUBLISHED.get(job.model, {}).get(job.benchmark)
    return Judged(
        relative_table([result], published),
        f"{result.frames} frames, {result.skipped} without truth, {result.pixels} pixels, "
        f"protocol: ppd on {job.benchmark}, {result.seconds / result.frames:.3f} s a frame",
        relative_document([result], job.benchmark, str(job.root), published),
        relative_markdown([result], published),
    )


def _plain(
    job: BenchmarkJob, estimator: Estimator, reader: PinholeReader, indices: Sequence[int]
) -> Judged:
    from ..evaluation.evaluate import EvaluationProtocol, evaluate, of_estimator
    from ..evaluation.pinhole import BENCHMARK_PARTS, MOST_DEPTH_M, AsRanges, without_holes
    from ..evaluation.protocols import Alignment, usual_alignment
    from ..evaluation.report import document, markdown, table

    how = usual_alignment(estimator.card) if job.align == "auto" else Alignment(job.align)
    protocol = EvaluationProtocol(job.max_depth_m or MOST_DEPTH_M[job.benchmark], how)
    frames = AsRanges(reader, BENCHMARK_PARTS[job.benchmark])
    estimate = without_holes(of_estimator(estimator, how))
    result = evaluate(job.model, estimate, frames, protocol, indices=indices)
    return Judged(
        table([result]),
        f"{result.frames} frames, {result.skipped} without truth, {result.pixels} pixels up to "
        f"{protocol.max_depth_m:g} m, {job.benchmark}, alignment: {how.value}, "
        f"{result.seconds / result.frames:.3f} s a frame",
        document([result], protocol, str(job.root)),
        markdown([result]),
    )
