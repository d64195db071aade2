"""The part of ``depth-perception eval`` that judges panoptic models."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from .job import Job, Judged

if TYPE_CHECKING:
    from ...evaluation.panoptic_report import Published
    from ...evaluation.panoptic_sets import PanopticBenchmark, PanopticEvaluation

_HEADING = "depth up to 80 m"


def judge_panoptic(job: Job) -> Judged:
    """Judge a model on a data set with segments, by the rules of its published evaluator.

    Raises:
        ValueError: the model finds no segments, or an option is wrong.
    """
    from ...evaluation.panoptic_report import class_sheet, score_document, score_sheet
    from ...evaluation.panoptic_sets import PANOPTIC_BENCHMARKS, evaluate_panoptic
    from ...systems.catalog import card
    from ...systems.panopticdepth.estimator import PanopticDepthEstimator

    if not card(job.model).is_panoptic:
        raise ValueError(f"{job.model} finds no segments, which {job.dataset} is about")
    windows = tuple(sorted({1, *job.rules.window}))
    if min(windows) < 1:
        raise ValueError(f"--window must be at least 1, got {min(windows)}")
    if len(windows) > 1 and job.report.limit is not None:
        raise ValueError("--limit leaves out frames that --window needs: give one of them")
    benchmark = PANOPTIC_BENCHMARKS[job.dataset]
    reader = benchmark.open(job.root, job.split)
    estimator = job.estimator()
    if not isinstance(estimator, PanopticDepthEstimator):
        raise ValueError(f"{job.model} is not judged by its segments yet")
    limits = estimator.options.limits
    if job.rules.stuff_area is not None:
        limits = replace(limits, stuff_area_px=job.rules.stuff_area)
    focal = job.rules.reference_focal_px
    estimator = estimator.with_options(
        limits=limits, **({} if focal is None else {"reference_focal_px": focal})
    )
    result = evaluate_panoptic(
        job.model,
        estimator,
        reader,
        benchmark,
        windows=windows,
        indices=job.track(job.model, job.indices(len(reader))),
    )
    score, published = result.score, _published(job)
    more = (class_sheet(score, benchmark.names), *_depth_sheets(result))
    document = {
        **job.about,
        "split": job.split,
        "rules": {**asdict(benchmark.rules), "stuff_area_px": limits.stuff_area_px},
        "evaluations": [
            {
                "name": result.name,
                "seconds": result.seconds,
                **score_document(score, benchmark.names, published),
            }
        ],
    }
    summary = _summary(job, result, benchmark, estimator.class_names)
    return Judged(score_sheet(score, published), summary, document, more)


def _published(job: Job) -> Published | None:
    """The figures of the authors, where they are of the same frames and options."""
    from ...evaluation.published import PANOPTICDEPTH_PUBLISHED

    changed = job.report.limit, job.network.height, job.rules.stuff_area
    if any(value is not None for value in changed) or job.split != "val":
        return None
    return PANOPTICDEPTH_PUBLISHED.get(job.model, {}).get(job.dataset)


def _depth_sheets(result: PanopticEvaluation) -> list:
    from ...evaluation.photos import PhotoEvaluation
    from ...evaluation.report import Sheet

    score = result.score
    if score.depth is None:
        return []
    depth = PhotoEvaluation(
        f"{result.name}, {_HEADING}", score.depth_frames, 0, result.seconds, score.depth
    )
    return [Sheet.of([depth])]


def _summary(
    job: Job, result: PanopticEvaluation, benchmark: PanopticBenchmark, classes: tuple[str, ...]
) -> str:
    score = result.score
    usual = "all" if score.rules.averaged == "all" else "the occurring"
    lines = [
        f"{score.frames} frames, {job.dataset} {job.split}, published means are over {usual} "
        f"classes, {result.seconds / score.frames:.3f} s a frame"
    ]
    if len(score.windows) > 1:
        lines.append(
            f"{job.model} numbers objects anew in every frame: in windows of several frames an "
            "object is found only where it happens to keep its number"
        )
    if lost := benchmark.never_found(classes):
        lines.append(f"{job.model} has no class for {', '.join(lost)}")
    return "\n".join(lines)
