"""Runs the panoptic benchmarks of ``depth-perception eval``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...evaluation.loop import Evaluation, evaluate
from ...evaluation.panoptic_report import class_sheet, score_document, score_sheet
from ...evaluation.panoptic_sets import PANOPTIC_BENCHMARKS, PanopticBenchmark, PanopticProtocol
from ...evaluation.published import published
from ...evaluation.report import Sheet
from ...systems import Estimator
from .job import Job, Report


def run_panoptic(job: Job) -> Report:
    """Evaluate a model on a data set with segments, by the rules of its published evaluator.

    Raises:
        OSError, ValueError: files are missing or broken, or an option is wrong.
    """
    windows = tuple(sorted({1, *job.rules.window}))
    if min(windows) < 1:
        raise ValueError(f"--window must be at least 1, got {min(windows)}")
    if len(windows) > 1 and job.report.limit is not None:
        raise ValueError("--limit leaves out frames that --window needs: give one of them")
    benchmark = PANOPTIC_BENCHMARKS[job.dataset]
    reader = job.reader()
    estimator = _with_options(job, job.estimator())
    classes = estimator.class_names
    result = evaluate(
        job.model,
        lambda sample: estimator(sample.image, sample.camera),
        reader,
        PanopticProtocol(benchmark, classes, estimator.card.has_depth, windows),
        indices=job.track(job.model, len(reader)),
    )
    figures = None
    if job.as_published and job.rules.stuff_area is None and job.split == "val":
        figures = published("panoptic", job.model, job.dataset)
    score = result.metrics
    sheets = [score_sheet(score, figures), class_sheet(score, benchmark.names)]
    if score.depth is not None:
        name = f"{job.model}, depth up to 80 m"
        sheets.append(
            Sheet.of([replace(result, name=name, frames=score.depth_frames, metrics=score.depth)])
        )
    stuff_area_px = estimator.options.limits.stuff_area_px
    document = {
        **job.about,
        "split": job.split,
        "rules": {**vars(benchmark.rules), "stuff_area_px": stuff_area_px},
        "evaluations": [
            {
                "name": job.model,
                "seconds": result.seconds,
                **score_document(score, benchmark.names, figures),
            }
        ],
    }
    return Report(tuple(sheets), _summary(job, result, benchmark, classes), document)


def _with_options(job: Job, estimator: Estimator) -> Any:
    """The estimator with the options of the job that only panoptic estimators have."""
    if not hasattr(estimator.options, "limits"):
        raise ValueError(f"panoptic evaluation of {job.model} is not supported")
    limits, focal = estimator.options.limits, job.rules.reference_focal_px
    if job.rules.stuff_area is not None:
        limits = replace(limits, stuff_area_px=job.rules.stuff_area)
    more = {} if focal is None else {"reference_focal_px": focal}
    return estimator.with_options(limits=limits, **more)


def _summary(
    job: Job, result: Evaluation, benchmark: PanopticBenchmark, classes: tuple[str, ...]
) -> str:
    score = result.metrics
    usual = "all" if score.rules.averaged == "all" else "the occurring"
    lines = [
        f"{score.frames} frames, {job.dataset} {job.split}, published means are over {usual} "
        f"classes, {result.seconds / score.frames:.3f} s per frame"
    ]
    if len(score.windows) > 1:
        lines.append(
            f"{job.model} numbers objects in every frame separately: in windows of several frames "
            "an object is found only where it happens to keep its number"
        )
    if lost := benchmark.never_found(classes):
        lines.append(f"{job.model} has no class for {', '.join(lost)}")
    return "\n".join(lines)
