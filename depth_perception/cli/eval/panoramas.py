"""The part of ``depth-perception eval`` that judges panoramic models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from .job import Job, Judged

if TYPE_CHECKING:
    from ...data.frames import FrameReader
    from ...evaluation.evaluate import Estimate
    from ...evaluation.panoramas import SphericalEvaluation
    from ...evaluation.protocols import Alignment

_WORLDS_MAX_M = 20.0
_MAX_M = {"deep360": 100.0}


def judge_worlds(job: Job) -> Judged:
    """Judge a model on synthetic worlds, kinds of worlds by themselves too."""
    from ...data.worlds import WorldFolder

    reader = WorldFolder(job.root)
    kinds = [str(frame["kind"]) for frame in reader.frames]
    return _plain(job, reader, job.max_depth_m(_WORLDS_MAX_M), groups=kinds)


def judge_threed60(job: Job) -> Judged:
    """Judge a model on 3D60.

    Raises:
        OSError, ValueError: the list is missing, unclear, empty or has no such view.
    """
    from ...data.threed60 import MAX_RANGE_M, Placement, Views, read_list

    limit = job.max_depth_m(MAX_RANGE_M)
    placement = Placement[job.rules.view.upper()]
    places = read_list(job.rules.listing or _the_list(job), job.root)
    if not places:
        raise ValueError(f"the list of {job.root} names no places")
    reader = Views(places, placement, max_range_m=limit)
    return (_plain if job.protocol == "plain" else _published)(job, reader, limit)


def judge_panoramas(job: Job) -> Judged:
    """Judge a model on a data set of PanDA, by its rules or by the plain ones.

    Raises:
        OSError, ValueError: files are missing, or the list is broken.
    """
    from ...data.panoramas import open_panoramas

    split, listing = job.split, job.rules.listing
    reader = open_panoramas(job.dataset, job.root, split, listing=listing)
    if job.protocol == "plain":
        return _plain(job, reader, job.max_depth_m(_MAX_M.get(job.dataset, 10.0)))
    return _panda(job, reader)


def _panda(job: Job, reader: FrameReader) -> Judged:
    from ...evaluation.evaluate import of_estimator
    from ...evaluation.panda import NETWORK_HEIGHT, evaluate_panda
    from ...evaluation.published import PANDA_PUBLISHED
    from ...evaluation.report import Sheet, document

    estimator = job.estimator(**({"height": NETWORK_HEIGHT} if job.family == "panda" else {}))
    how = job.alignment(estimator)
    indices = job.track(job.model, job.indices(len(reader)))
    result = evaluate_panda(
        job.model,
        of_estimator(estimator, how),
        reader,
        how,
        height=job.network.height,
        indices=indices,
    )
    published = None
    is_whole = job.report.limit is None and job.network.height is None
    is_whole &= job.rules.listing is None
    usual = job.rules.align == "auto" and not job.rules.median
    if is_whole and usual and job.split == "test":
        published = PANDA_PUBLISHED.get(job.model, {}).get(job.dataset)
    return Judged(
        Sheet.of([result], published),
        f"{result.frames} frames of {job.split}, {result.skipped} without truth, "
        f"{result.pixels} pixels, protocol: panda, alignment: {how.value}, "
        f"{result.seconds / result.frames:.3f} s a frame",
        document([result], published, **job.about, rules={"alignment": how.value}),
    )


def _the_list(job: Job) -> Any:
    """The list of nine columns in the folder: ``write_threed60`` adds one of two beside it."""
    lists = [p for p in sorted(job.root.glob("*.txt")) if not p.name.startswith("omni_")]
    if len(lists) != 1:
        raise ValueError(f"{job.root} holds {len(lists)} lists (*.txt): name one with --list")
    return lists[0]


def _plain(
    job: Job, reader: FrameReader, max_depth_m: float, groups: list[str] | None = None
) -> Judged:
    from ...evaluation.evaluate import EvaluationProtocol, evaluate
    from ...evaluation.report import Sheet, document

    judged, how = _judged(job, reader, max_depth_m)
    rules = EvaluationProtocol(max_depth_m, how, job.rules.solid_angle, job.rules.clamp)
    indices = job.indices(len(reader))
    results = [
        evaluate(name, make(), reader, rules, indices=job.track(name, indices), groups=groups)
        for name, make in judged
    ]
    first = results[0]
    return Judged(
        Sheet.of(results),
        f"{first.frames} frames, {first.skipped} without truth, {first.pixels} pixels up to "
        f"{max_depth_m:g} m, alignment: {how.value}"
        + (", weighed by solid angle" if rules.solid_angle else "")
        + (", predictions clamped" if rules.clamp else "")
        + f", {first.seconds / first.frames:.3f} s a frame",
        document(results, **job.about, rules={**asdict(rules), "alignment": how.value}),
    )


def _published(job: Job, reader: FrameReader, max_depth_m: float) -> Judged:
    from ...data.threed60 import MAX_RANGE_M
    from ...evaluation.panoramas import evaluate_spherical
    from ...evaluation.protocols import Alignment
    from ...evaluation.published import OMNIDEPTH_PUBLISHED
    from ...evaluation.report import Sheet, document

    published = None
    judged, how = _judged(job, reader, max_depth_m)
    if job.protocol == "omnidepth":
        how = Alignment.MEDIAN
        is_whole = job.report.limit is None and job.network.height is None
        if is_whole and max_depth_m == MAX_RANGE_M and job.rules.view == "centre":
            published = OMNIDEPTH_PUBLISHED.get(job.model)
    if how is Alignment.SCALE_SHIFT:
        raise ValueError(
            f"--protocol {job.protocol} needs values that are depth up to a factor, without a "
            "shift: take --protocol plain"
        )
    indices = job.indices(len(reader))
    results: list[SphericalEvaluation] = [
        evaluate_spherical(
            name,
            make(),
            reader,
            job.protocol,
            max_depth_m=max_depth_m,
            median=how is Alignment.MEDIAN,
            indices=job.track(name, indices),
        )
        for name, make in judged
    ]
    first = results[0]
    rules = {"max_depth_m": max_depth_m, "alignment": how.value}
    return Judged(
        Sheet.of(results, published),
        f"{first.frames} frames, {first.skipped} without truth, {first.pixels} pixels up to "
        f"{max_depth_m:g} m, protocol: {job.protocol}, alignment: {how.value}, "
        f"{first.seconds / first.frames:.3f} s a frame",
        document(results, published, **job.about, rules=rules),
    )


def _judged(
    job: Job, reader: FrameReader, max_depth_m: float
) -> tuple[list[tuple[str, Callable[[], Estimate]]], Alignment]:
    """What is judged by name, and what it may borrow."""
    from ...evaluation.baselines import constant, median_depth_m, untrained
    from ...evaluation.evaluate import of_estimator

    estimator = job.estimator()
    how = job.alignment(estimator)
    judged: list[tuple[str, Callable[[], Estimate]]] = [
        (job.model, partial(of_estimator, estimator, how))
    ]
    if job.also.baselines:
        depth = job.also.constant_depth
        if depth is None:
            depth = median_depth_m(reader, max_depth_m)
        judged.append((f"constant {depth:.2f} m", partial(constant, depth)))
        random = untrained(job.model, 0, estimator.device, estimator.options)
        judged.append((f"{job.model} untrained", partial(of_estimator, random, how)))
    return judged, how
