"""Runs the benchmarks of ``depth-perception eval``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...data.labelled_worlds import LabelledWorlds
from ...data.reality import RealFrames
from ...data.threed60 import MAX_RANGE_M, Placement, Views
from ...evaluation.alignment import Alignment
from ...evaluation.loop import Evaluation, EvaluationProtocol, Predict, Sample, evaluate
from ...evaluation.nyu_kitti import PROTOCOLS
from ...evaluation.panda import PandaProtocol
from ...evaluation.panoptic_sets import PANOPTIC_BENCHMARKS, PanopticBenchmark, PanopticProtocol
from ...evaluation.panoptic_worlds import FOUND, WorldSegments
from ...evaluation.pinhole import BENCHMARK_PARTS
from ...evaluation.plain import (
    PlainProtocol,
    constant,
    for_camera_height,
    median_depth_m,
    predict_values,
    untrained,
)
from ...evaluation.published import published
from ...evaluation.reality import real_sheet, score_real
from ...evaluation.relative import RelativeProtocol, predict_log_depth
from ...evaluation.report import class_sheet, document, score_document, score_sheet, sheet
from ...evaluation.spherical import OmniDepthProtocol, ViewSynthesisProtocol
from ...evaluation.stereo_metrics import EigenProtocol
from ...evaluation.zero_shot import ZERO_SHOT, ZeroShotProtocol
from ...geometry import Equirectangular, Pinhole
from ...prediction import Prediction
from ...systems import Estimator, card
from .job import Job, Report


@dataclass(frozen=True)
class Setup:
    """A benchmark made ready for a model.

    Attributes:
        reader: the frames.
        protocol: how they are scored.
        predict: how an estimator predicts, unless a published evaluation has its own way.
        summary: parts of the line below the table.
        rules: additions to the rules of the protocol in documents.
        comparable: whether the options are those of published figures.
        groups: labels of the frames, see :func:`~depth_perception.evaluation.loop.evaluate`.
    """

    reader: Any
    protocol: EvaluationProtocol
    predict: Callable[[Estimator], Predict]
    summary: Sequence[str]
    rules: Mapping[str, Any] = field(default_factory=dict)
    comparable: bool = True
    groups: Sequence[str] | None = None


def run(job: Job) -> Report:
    """Evaluate a model, and baselines where asked for. Raises OSError, ValueError: files are
    missing or broken, or the model does not fit the protocol."""
    reader = job.reader()
    estimator = job.estimator()
    setup = SETUPS[job.benchmark.kind](job, reader, estimator)
    published_way = job.official.predict or (lambda estimator, dataset, height: None)
    predict = published_way(estimator, job.dataset, job.network.height)
    predictors = {job.model: predict or setup.predict(estimator)}
    if job.also.baselines:
        depth_m = job.also.constant_depth
        if depth_m is None:
            depth_m = median_depth_m(setup.reader, job.max_depth_m)
        predictors[f"constant {depth_m:.2f} m"] = constant(depth_m)
        random = untrained(job.model, 0, estimator.device, estimator.options)
        predictors[f"{job.model} untrained"] = setup.predict(random)
    reader, protocol, groups, results = setup.reader, setup.protocol, setup.groups, []
    for name, predict in predictors.items():
        indices = job.track(name, len(reader))
        found = evaluate(name, predict, reader, protocol, indices=indices, groups=groups)
        results.append(found)
    first, figures = results[0], None
    if job.as_published and setup.comparable:
        figures = published(job.benchmark.protocol, job.model, job.dataset)
    counts = (f"{first.frames} frames", f"{first.skipped} without ground truth")
    summary = (*counts, f"{first.pixels} pixels", *setup.summary)
    summary = (*summary, f"{first.seconds / first.frames:.3f} s per frame")
    whole = document(results, figures, **job.about, rules={**protocol.rules, **setup.rules})
    return Report((sheet(results, figures),), ", ".join(summary), whole)


def run_reality(job: Job) -> Report:
    """Evaluate a model on real images with measured depth, of its kind of camera. Raises OSError,
    ValueError: files are missing or broken."""
    frames = RealFrames(job.root, card(job.model).camera)
    scores = score_real(
        job.estimator(), frames, job.max_depth_m, lambda count: job.track(job.model, count)
    )
    summary = f"{len(scores)} images, up to {job.max_depth_m:g} m; for evaluation only"
    document = {**job.about, "images": [vars(score) for score in scores]}
    return Report((real_sheet(scores),), summary, document)


def _panoramas(job: Job, reader: Any, estimator: Estimator) -> Setup:
    alignment, limit = job.alignment(estimator), job.max_depth_m
    if job.dataset == "3d60":
        reader = _views(job, reader)
    groups = [str(frame["kind"]) for frame in reader.frames] if job.dataset == "worlds" else None
    protocol = PlainProtocol(limit, alignment, job.rules.solid_angle, job.rules.clamp)
    summary = [f"up to {limit:g} m", f"alignment: {alignment.value}"]
    summary += ["weighed by solid angle"] * protocol.solid_angle
    summary += ["predictions clamped"] * protocol.clamp
    return Setup(reader, protocol, lambda e: predict_values(e, alignment), summary, groups=groups)


def _panda(job: Job, reader: Any, estimator: Estimator) -> Setup:
    alignment = job.alignment(estimator)
    usual = job.rules.align == "auto" and not job.rules.median and job.rules.listing is None
    protocol = PandaProtocol(alignment, job.network.height)
    comparable = usual and job.split == "test"
    summary = (f"split: {job.split}", "protocol: panda", f"alignment: {alignment.value}")
    return Setup(reader, protocol, lambda e: predict_values(e, alignment), summary, {}, comparable)


def _spherical(job: Job, reader: Any, estimator: Estimator) -> Setup:
    """OmniDepth's protocol, which always scales by the medians, or that of view synthesis."""
    name, limit = job.benchmark.protocol, job.max_depth_m
    alignment = Alignment.MEDIAN if name == "omnidepth" else job.alignment(estimator)
    if alignment is Alignment.SCALE_SHIFT:
        raise ValueError(
            f"--protocol {name} needs values that are depth up to a factor, without a shift: take "
            "--protocol plain"
        )
    if name == "omnidepth":
        protocol: EvaluationProtocol = OmniDepthProtocol(limit)
    else:
        protocol = ViewSynthesisProtocol(limit, alignment is Alignment.MEDIAN)
    usual, reader = job.alignment(estimator), _views(job, reader)
    summary = (f"up to {limit:g} m", f"protocol: {name}", f"alignment: {alignment.value}")
    rules = {"alignment": alignment.value}
    comparable = limit == MAX_RANGE_M and job.rules.view == "centre"
    return Setup(reader, protocol, lambda e: predict_values(e, usual), summary, rules, comparable)


def _views(job: Job, reader: Views) -> Views:
    """One view of each place of 3D60."""
    placement = Placement[job.rules.view.upper()]
    return Views(reader.places, placement, max_range_m=job.max_depth_m)


def _pinhole(job: Job, reader: Any, estimator: Estimator) -> Setup:
    alignment, limit = job.alignment(estimator), job.max_depth_m
    if job.dataset in ZERO_SHOT:
        rules = PROTOCOLS[ZERO_SHOT[job.dataset].rules]
        limit = job.rules.max_depth or rules.max_depth_m
        part_of = replace(rules, max_depth_m=limit).sample
    else:
        part_of = BENCHMARK_PARTS[job.dataset]
    protocol = PlainProtocol(limit, alignment, part_of=part_of)
    summary = [f"up to {limit:g} m", job.dataset, f"alignment: {alignment.value}"]
    cameras = {"with_camera": estimator.card.needs_camera, "focal_px": job.rules.focal}
    if job.rules.focal is not None:
        summary.append(f"focal length: {job.rules.focal:g} px")
    elif estimator.card.needs_camera:
        summary.append("focal length: that of the data set, else a view of 55 degrees")
    return Setup(
        reader,
        protocol,
        lambda e: predict_values(e, alignment, fill_holes=True, **cameras),
        tuple(summary),
    )


def _ppd(job: Job, reader: Any, estimator: Estimator) -> Setup:
    protocol = RelativeProtocol(BENCHMARK_PARTS[job.dataset])
    return Setup(reader, protocol, predict_log_depth, (f"protocol: ppd on {job.dataset}",))


def _scaledepth(job: Job, reader: Any, estimator: Estimator) -> Setup:
    if not estimator.card.is_metric:
        raise ValueError(f"--protocol scaledepth scores metres, which {job.model} does not predict")
    zero_shot = job.dataset in ZERO_SHOT
    name = ZERO_SHOT[job.dataset].rules if zero_shot else job.rules.rules or job.dataset
    protocol = ZeroShotProtocol.of(job.dataset) if zero_shot else PROTOCOLS[name]
    focal = job.rules.focal
    if not zero_shot:
        if (focal is None) != (protocol.reference_focal_px is None):
            needs = "needs" if focal is None else "does not use"
            raise ValueError(f"--rules {name} {needs} --focal, the focal length in pixels")
        if lost := reader.missing():
            raise FileNotFoundError(f"{len(lost)} files are missing, such as {lost[0]}")
    rules = dict(job.official.rules(job.model, name))
    protocol = replace(protocol, focal_px=focal, **rules)
    span = f"{protocol.min_depth_m:g} to {protocol.max_depth_m:g} m"
    summary = [span, f"protocol: scaledepth on {name}", f"crop: {protocol.crop}"]
    if zero_shot:
        as_seen = job.official.predict is not None and job.network.height is None
        summary.append(f"input size: {protocol.view if as_seen else 'usual'}")
    return Setup(
        reader,
        protocol,
        lambda e: predict_values(e, Alignment.NONE, fill_holes=True),
        summary,
        {"name": name},
        comparable=name == job.dataset,
    )


def _eigen(job: Job, reader: Any, estimator: Estimator) -> Setup:
    """KITTI raw, scored against its lidar."""
    alignment, limit = job.alignment(estimator), job.max_depth_m
    if alignment is Alignment.SCALE_SHIFT:
        raise ValueError(
            "kitti-raw is scored in metres or with --align median, and so by depth without an "
            f"unknown shift, which {job.model} does not predict"
        )
    median = alignment is Alignment.MEDIAN
    protocol = EigenProtocol(max_depth_m=limit, crop=job.rules.crop, median=median)
    return Setup(
        reader,
        protocol,
        lambda e: predict_values(e, alignment, fill_holes=True, with_camera=True),
        (f"lidar up to {limit:g} m", f"crop: {protocol.crop}", f"alignment: {alignment.value}"),
        {"alignment": alignment.value},
    )


SETUPS: Mapping[str, Callable[[Job, Any, Estimator], Setup]] = {
    "panoramas": _panoramas,
    "panda": _panda,
    "omnidepth": _spherical,
    "view-synthesis": _spherical,
    "pinhole": _pinhole,
    "ppd": _ppd,
    "scaledepth": _scaledepth,
    "eigen": _eigen,
}
"""By kind of benchmark."""


def run_panoptic(job: Job) -> Report:
    """Evaluate a model on a data set with segments, by the rules of its published evaluator.
    Raises OSError, ValueError: files are missing or broken, or an option is wrong."""
    windows = tuple(sorted({1, *job.rules.window}))
    if min(windows) < 1:
        raise ValueError(f"--window must be at least 1, got {min(windows)}")
    if len(windows) > 1 and job.report.limit is not None:
        raise ValueError("--limit leaves out frames that --window needs: give one of them")
    benchmark = PANOPTIC_BENCHMARKS[job.dataset]
    reader = job.reader()
    estimator: Any = job.estimator()
    if not hasattr(estimator.options, "limits"):
        raise ValueError(f"panoptic evaluation of {job.model} is not supported")
    limits, focal = estimator.options.limits, job.rules.reference_focal_px
    if job.rules.stuff_area is not None:
        limits = replace(limits, stuff_area_px=job.rules.stuff_area)
    more = {} if focal is None else {"reference_focal_px": focal}
    estimator = estimator.with_options(limits=limits, **more)
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
    numbers = score_document(score, benchmark.names, figures)
    sheets = [score_sheet(score, figures), class_sheet(score, benchmark.names)]
    if score.depth is not None:
        name = f"{job.model}, depth up to 80 m"
        depth = replace(result, name=name, frames=score.depth_frames, metrics=score.depth)
        sheets.append(sheet([depth]))
    whole = {
        **job.about,
        "split": job.split,
        "rules": {**vars(benchmark.rules), "stuff_area_px": limits.stuff_area_px},
        "evaluations": [{"name": job.model, "seconds": result.seconds, **numbers}],
    }
    return Report(tuple(sheets), _summary(job, result, benchmark, classes), whole)


def run_segments(job: Job) -> Report:
    """Evaluate the segments of a model on synthetic worlds with labels, of its kind of camera.
    Raises OSError, ValueError: files are missing or broken, or an option is wrong."""
    estimator: Any = job.estimator()
    limits = estimator.options.limits
    if job.rules.stuff_area is not None:
        limits = replace(limits, stuff_area_px=job.rules.stuff_area)
    estimator, has_depth = estimator.with_options(limits=limits), estimator.card.has_depth
    kind = Pinhole if estimator.card.camera == "pinhole" else Equirectangular
    reader = LabelledWorlds((str(job.root),), estimator.classes, kind)

    def predict(sample: Sample) -> Prediction:
        known = for_camera_height(estimator, sample.frame.camera_height_m)
        return known(sample.image, sample.camera)

    result = evaluate(
        job.model,
        predict,
        reader,
        WorldSegments(estimator.classes, has_depth),
        indices=job.track(job.model, len(reader)),
    )
    found, names = result.metrics, estimator.class_names
    score = found.panoptic
    lines = [f"{score.frames} frames, {result.seconds / score.frames:.3f} s per frame"]
    for what, (_, most_m) in FOUND.items():
        counts = "{:.0f} of {:.0f}".format(*found.counts[what])
        lines.append(f"{what} within {most_m:g} m found: {counts} ({found.found[what]:.1f} %)")
    sheets = [score_sheet(score), class_sheet(score, names)]
    if score.depth is not None:
        depth = replace(result, frames=score.depth_frames, metrics=score.depth)
        sheets.append(sheet([depth]))
    rules = {"stuff_area_px": limits.stuff_area_px}
    numbers = {
        "seconds": result.seconds,
        "found": dict(found.counts),
        **score_document(score, names),
    }
    whole = {**job.about, "rules": rules, "evaluations": [{"name": job.model, **numbers}]}
    return Report(tuple(sheets), "\n".join(lines), whole)


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
