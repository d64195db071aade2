"""The part of ``depth-perception eval`` that judges pinhole models."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from .job import Job, Judged

if TYPE_CHECKING:
    from torch import Tensor

    from ...data.photos import Photo, PhotoFolder
    from ...data.stereo import StereoFrame
    from ...evaluation.nyu_kitti import PhotoMetrics

_KITTI_LIST = "kitti_eigen_test.txt"
_KITTI_ROWS = 352  # of the pictures, which ScaleDepth's authors do not resample


def judge_benchmark(job: Job) -> Judged:
    """Judge a model on one of Pixel-Perfect Depth's five benchmarks, or by ScaleDepth's rules on
    NYU, KITTI and the data sets that it has not seen."""
    from ...data.benchmarks import ZERO_SHOT

    if job.protocol == "scaledepth":
        return (_zero_shot if job.dataset in ZERO_SHOT else _scaledepth)(job)
    return (_ppd if job.protocol == "ppd" else _plain)(job)


def judge_kitti_raw(job: Job) -> Judged:
    """Judge a model on pairs of KITTI raw, by their lidar.

    Disparity of the blind-spot VGG becomes metres by the calibration of the pair, as monodepth's
    evaluation has it.
    """
    from ...data.kitti_raw import KittiRaw, find_pairs, read_pairs
    from ...evaluation.photos import evaluate_photos
    from ...evaluation.pinhole import filled
    from ...evaluation.protocols import Alignment
    from ...evaluation.report import Sheet, document
    from ...evaluation.stereo_metrics import EigenProtocol, depth_of_pair

    listing = job.rules.listing
    pairs = find_pairs(job.root) if listing is None else read_pairs(listing, job.root)
    if not pairs:
        raise ValueError(f"{listing} names no pairs")
    reader = KittiRaw(pairs, truth=True)
    _refuse_relative(job)
    is_disparity = job.family == "blindspot_pinhole"
    estimator = job.estimator(**({"formula": "relative"} if is_disparity else {}))
    how = job.alignment(estimator)
    if how is Alignment.SCALE_SHIFT:
        raise ValueError(
            "kitti-raw is judged in metres or with --align median, and so by depth without an "
            f"unknown shift, which {job.model} does not give"
        )
    rules = EigenProtocol(
        max_depth_m=job.max_depth_m(80.0),
        crop=job.rules.crop,
        median=how is Alignment.MEDIAN,
    )

    def depth_of(frame: StereoFrame) -> Tensor:
        prediction = estimator(frame.left.permute(1, 2, 0).contiguous(), frame.camera)
        if is_disparity:
            return depth_of_pair(prediction.values, frame)
        return filled(prediction.depth)

    def judge(depth_m: Tensor, frame: StereoFrame) -> PhotoMetrics | None:
        return rules.judge(depth_m, frame.depth_m)

    indices = job.track(job.model, job.indices(len(reader)))
    result = evaluate_photos(job.model, depth_of, judge, reader, indices=indices)
    return Judged(
        Sheet.of([result]),
        f"{result.frames} frames, {result.skipped} without truth, lidar up to "
        f"{rules.max_depth_m:g} m, crop: {rules.crop}, alignment: {how.value}, "
        f"{result.seconds / (result.frames + result.skipped):.3f} s a frame",
        document([result], **job.about, rules={**asdict(rules), "alignment": how.value}),
    )


def _ppd(job: Job) -> Judged:
    from ...data.benchmarks import BENCHMARKS
    from ...evaluation.pinhole import BENCHMARK_PARTS, PUBLISHED, evaluate_relative, log_depth_of
    from ...evaluation.report import Sheet, document

    reader = BENCHMARKS[job.dataset](job.root, job.rules.listing)
    estimator = job.estimator(**({"align": "none"} if job.family == "ppd" else {}))
    result = evaluate_relative(
        job.model,
        log_depth_of(estimator),
        reader,
        BENCHMARK_PARTS[job.dataset],
        indices=job.track(job.model, job.indices(len(reader))),
    )
    published = None
    as_published = job.report.limit is None and job.network.height is None
    if as_published and job.network.steps is None and job.model in PUBLISHED:
        published = dict(zip(("abs_rel", "d1"), PUBLISHED[job.model][job.dataset], strict=True))
    return Judged(
        Sheet.of([result], published),
        f"{result.frames} frames, {result.skipped} without truth, {result.pixels} pixels, "
        f"protocol: ppd on {job.dataset}, {result.seconds / result.frames:.3f} s a frame",
        document([result], published, **job.about),
    )


def _plain(job: Job) -> Judged:
    from ...data.benchmarks import BENCHMARKS, ZERO_SHOT
    from ...evaluation.evaluate import EvaluationProtocol, evaluate, of_estimator
    from ...evaluation.nyu_kitti import PROTOCOLS
    from ...evaluation.pinhole import (
        BENCHMARK_PARTS,
        MOST_DEPTH_M,
        AsRanges,
        part_of_rules,
        without_holes,
    )
    from ...evaluation.report import Sheet, document
    from ...evaluation.zero_shot import ZERO_SHOT as RULES

    _refuse_relative(job)
    if job.dataset in ZERO_SHOT:
        reader = ZERO_SHOT[job.dataset](job.root, job.rules.listing)
        limits = PROTOCOLS[RULES[job.dataset].rules]
        most_m = job.max_depth_m(limits.max_depth_m)
        part_of = part_of_rules(replace(limits, max_depth_m=most_m))
    else:
        reader = BENCHMARKS[job.dataset](job.root, job.rules.listing)
        most_m, part_of = MOST_DEPTH_M[job.dataset], BENCHMARK_PARTS[job.dataset]
    estimator = job.estimator()
    how = job.alignment(estimator)
    rules = EvaluationProtocol(job.max_depth_m(most_m), how)
    frames = AsRanges(reader, part_of)
    indices = job.track(job.model, job.indices(len(reader)))
    estimate = without_holes(of_estimator(estimator, how))
    result = evaluate(job.model, estimate, frames, rules, indices=indices)
    return Judged(
        Sheet.of([result]),
        f"{result.frames} frames, {result.skipped} without truth, {result.pixels} pixels up to "
        f"{rules.max_depth_m:g} m, {job.dataset}, alignment: {how.value}, "
        f"{result.seconds / result.frames:.3f} s a frame",
        document([result], **job.about, rules={**asdict(rules), "alignment": how.value}),
    )


def _scaledepth(job: Job) -> Judged:
    from ...evaluation.nyu_kitti import PROTOCOLS
    from ...evaluation.photos import evaluate_photos
    from ...evaluation.pinhole import filled
    from ...evaluation.published import SCALEDEPTH_PUBLISHED
    from ...evaluation.report import Sheet, document

    _refuse_relative(job)
    name = job.rules.rules or job.dataset
    rules, focal = PROTOCOLS[name], job.rules.focal
    if (focal is None) != (rules.reference_focal_px is None):
        needs = "needs" if focal is None else "has no use for"
        raise ValueError(f"--rules {name} {needs} --focal, the focal length in pixels")
    of_both = job.model == "scaledepth-nk" and name in ("nyu", "kitti")
    if of_both:
        rules = replace(rules, clamp=True)  # as its own configuration has it
    estimator = job.estimator(**_published_run(job))
    if not estimator.card.is_metric:
        raise ValueError(f"--protocol scaledepth judges metres, which {job.model} does not give")
    reader = _photos(job)

    def depth_of(photo: Photo) -> Tensor:
        return filled(estimator(photo.rgb.permute(1, 2, 0).contiguous()).depth)

    def judge(depth_m: Tensor, photo: Photo) -> PhotoMetrics | None:
        found = rules.judge(depth_m, photo.depth_m, focal_px=focal)
        return None if found is None else found[0]

    indices = job.track(job.model, job.indices(len(reader)))
    result = evaluate_photos(job.model, depth_of, judge, reader, indices=indices)
    published = None
    is_whole = job.report.limit is None and job.network.height is None
    if is_whole and name == job.dataset:
        published = SCALEDEPTH_PUBLISHED.get(job.model, {}).get(name)
    return Judged(
        Sheet.of([result], published),
        f"{result.frames} frames, {result.skipped} without truth, {rules.min_depth_m:g} to "
        f"{rules.max_depth_m:g} m, protocol: scaledepth on {name}, crop: {rules.crop}, "
        f"{result.seconds / (result.frames + result.skipped):.3f} s a frame",
        document([result], published, **job.about, rules={"name": name, **asdict(rules)}),
    )


def _zero_shot(job: Job) -> Judged:
    from ...data.benchmarks import ZERO_SHOT, BenchmarkFrame
    from ...evaluation.nyu_kitti import PROTOCOLS
    from ...evaluation.photos import evaluate_photos
    from ...evaluation.pinhole import filled
    from ...evaluation.report import Sheet, document
    from ...evaluation.zero_shot import ZERO_SHOT as RULES
    from ...evaluation.zero_shot import Viewed, depth_as_seen

    _refuse_relative(job)
    how = RULES[job.dataset]
    rules = PROTOCOLS[how.rules]
    estimator = job.estimator()
    if not estimator.card.is_metric:
        raise ValueError(f"--protocol scaledepth judges metres, which {job.model} does not give")
    reader = Viewed(ZERO_SHOT[job.dataset](job.root, job.rules.listing), how.view)
    as_published = job.family == "scaledepth" and job.network.height is None

    def depth_of(frame: BenchmarkFrame) -> Tensor:
        if as_published:
            return depth_as_seen(estimator, frame.rgb, how.view)
        return filled(estimator(frame.rgb.permute(1, 2, 0).contiguous()).depth)

    def judge(depth_m: Tensor, frame: BenchmarkFrame) -> PhotoMetrics | None:
        focal = None if frame.camera is None else frame.camera.fx
        found = rules.judge(depth_m, frame.depth_m, focal_px=focal)
        return None if found is None else found[0]

    indices = job.track(job.model, job.indices(len(reader)))
    result = evaluate_photos(job.model, depth_of, judge, reader, indices=indices)
    return Judged(
        Sheet.of([result]),
        f"{result.frames} frames, {result.skipped} without truth, {rules.min_depth_m:g} to "
        f"{rules.max_depth_m:g} m, protocol: scaledepth on {how.rules}, crop: {rules.crop}, "
        f"seen: {how.view if as_published else 'as usual'}, "
        f"{result.seconds / (result.frames + result.skipped):.3f} s a frame",
        document([result], **job.about, rules={"name": how.rules, **asdict(rules)}),
    )


def _published_run(job: Job) -> dict[str, Any]:
    """How ScaleDepth's authors run their models; other models run as usual."""
    if job.family != "scaledepth":
        return {}
    from ...systems.scaledepth.windows import Windows

    options: dict[str, Any] = {"height": _KITTI_ROWS} if job.dataset == "kitti" else {}
    if job.model == "scaledepth-nk":
        options |= {"flip": True, "windows": Windows(scale="own")}
    return options


def _photos(job: Job) -> PhotoFolder:
    from ...data.photos import kitti_photos, nyu_photos

    if job.dataset == "nyu":
        reader = nyu_photos(job.root, "test")
    else:
        listing = job.rules.listing
        if listing is not None and listing.is_file():
            listing = listing.resolve()  # else it is one in the folder
        reader = kitti_photos(job.root, str(listing or _KITTI_LIST))
    if not len(reader):
        raise ValueError(f"{job.root} holds no test pictures with depth")
    if lost := reader.missing():
        raise FileNotFoundError(f"{len(lost)} files are missing, such as {lost[0]}")
    return reader


def _refuse_relative(job: Job) -> None:
    if job.family == "ppd":
        raise ValueError(f"{job.model} is judged as relative depth: take --protocol ppd")
