"""How good recovered metres are, on synthetic drives whose truth is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..prediction import DepthSpace, Prediction, ScaleKind
from ..scale import FitError, FitModel, FitOptions, ScaleOptions, ScaleRecovery, fit_depth
from ..scale.sources import points_reference
from ..systems import Estimator
from .alignment import scale_and_shift
from .drive import DriveFrame, DriveOptions

_ORACLE = FitOptions(min_inlier_ratio=0.05, max_residual_ratio=math.inf)


@dataclass(frozen=True)
class DriveProtocol:
    """How a drive is judged.

    Attributes:
        max_depth_m: truth farther than this does not count; nor does sky.
        scale_spread: each frame's values are divided by exp(normal noise of this sigma).
        shift_spread_m: and first moved by normal noise of this sigma, metres.
        seed: of these draws.
        steady: one scale and shift for the whole drive instead.
    """

    max_depth_m: float = 20.0
    scale_spread: float = 0.5
    shift_spread_m: float = 2.0
    seed: int = 0
    steady: bool = False


@dataclass
class DriveScore:
    """What one way to metres achieved on one drive; lists have one number per judged frame.

    Attributes:
        world, way: of what.
        frames: of the drive.
        abs_rel: mean error of the pixels of a frame, as a share of the truth; a pixel without a
            depth counts as an error of 1.
        oracle: the same of the per-frame oracle on the same frames.
        effective: median ratio of the recovered depth to the network's undistorted output.
        indices: which frame each number is of.
        warnings: frames with at least one warning.
    """

    world: str
    way: str
    frames: int = 0
    abs_rel: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    effective: list[float] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    warnings: int = 0

    @property
    def metric_share(self) -> float:
        """Share of the frames that came out in metres."""
        return len(self.abs_rel) / max(1, self.frames)

    @property
    def ratio(self) -> float:
        """Mean AbsRel over that of the oracle."""
        return _mean(self.abs_rel) / _mean(self.oracle)

    def jitter(self) -> tuple[float, float]:
        """Mean and 95th percentile of the change of the effective scale between neighbours.

        The effective scale is free of the distortion that was put on, and of what the network
        itself does from frame to frame.
        """
        numbers = list(zip(self.indices, self.effective, strict=True))
        steps = [
            abs(math.log(b / a)) for (i, a), (j, b) in itertools.pairwise(numbers) if j == i + 1
        ]
        if not steps:
            return math.nan, math.nan
        ordered = sorted(steps)
        return _mean(steps), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    def row(self) -> dict[str, Any]:
        """The numbers for a table."""
        mean, tail = self.jitter()
        return {
            "world": self.world,
            "way": self.way,
            "frames": self.frames,
            "metric": self.metric_share,
            "abs_rel": _mean(self.abs_rel),
            "oracle_abs_rel": _mean(self.oracle),
            "ratio": self.ratio,
            "jitter_mean": mean,
            "jitter_95": tail,
            "frames_with_warnings": self.warnings,
        }


def score_drive(
    estimator: Estimator,
    options: DriveOptions,
    frames: Iterable[DriveFrame],
    ways: Sequence[str] = ("points", "camera_height"),
    protocol: DriveProtocol | None = None,
    scale: ScaleOptions | None = None,
) -> list[DriveScore]:
    """Distort the output of a metric model frame by frame and recover its metres in several ways.

    Args:
        estimator: of a metric model of depth; its own metres are judged too.
        options: of the drive.
        frames: its frames in order.
        ways: sources of scale, "points" or "camera_height"; with " alone" appended (as in "points
            alone") without memory: the fit of each frame by itself.
        protocol: see :class:`DriveProtocol`.
        scale: options of the recovery, but for the source and the camera height.

    Raises:
        ValueError: the model is not metric.
    """
    protocol, scale = protocol or DriveProtocol(), scale or ScaleOptions()
    if not estimator.card.is_metric or estimator.card.space is not DepthSpace.DEPTH:
        raise ValueError(f"{estimator.card.name} does not predict metres of depth")
    world = options.kind
    own, best = DriveScore(world, "network's own metres"), DriveScore(world, "oracle")
    scores = [DriveScore(world, way) for way in ways]
    recoveries: list[ScaleRecovery | None] = [None] * len(ways)
    generator = torch.Generator().manual_seed(protocol.seed)
    to_camera = options.lidar_in_camera()
    factor, offset = 1.0, 0.0
    for index, frame in enumerate(frames):
        plain = estimator(frame.rgb)
        if index == 0 or not protocol.steady:
            draw = torch.randn(2, generator=generator).tolist()
            factor = math.exp(protocol.scale_spread * draw[0])
            offset = protocol.shift_spread_m * draw[1]
        relative = replace(
            plain, values=(plain.values - offset) / factor, scale=ScaleKind.AFFINE_INVARIANT
        )
        truth = frame.range_m.to(plain.values.device)
        mask = torch.isfinite(truth) & (truth <= protocol.max_depth_m) & plain.valid
        if not bool(mask.any()):
            continue
        oracle_depth = _oracle(plain, truth, mask)
        oracle = _abs_rel(oracle_depth, truth, mask)
        own.frames += 1
        best.frames += 1
        _add(own, index, plain, plain.values, truth, mask, oracle)
        _add(best, index, plain, oracle_depth, truth, mask, oracle)
        reference = points_reference(frame.points, to_camera, relative.camera, relative.kind)
        for number, score in enumerate(scores):
            name, _, alone = score.way.partition(" ")
            recovery = recoveries[number]
            if recovery is None or alone:
                ground = replace(scale.ground, height_m=frame.camera_height_m)
                recovery = ScaleRecovery(replace(scale, source=name, ground=ground))
                recoveries[number] = recovery
            known = reference if name == "points" else None
            result = recovery.recover(relative, known, frame.stamp_s)
            score.frames += 1
            score.warnings += bool(result.report.warnings)
            if result.report.is_metric:
                _add(score, index, plain, result.prediction.values, truth, mask, oracle)
    return [own, best, *scores]


def markdown(scores: Sequence[DriveScore]) -> str:
    """A table of scores."""
    lines = [
        "| world | metres from | frames in metres | AbsRel | oracle | ratio | jitter, mean "
        "| jitter, 95 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for score in scores:
        r = score.row()
        lines.append(
            f"| {r['world']} | {r['way']} | {r['metric']:.0%} of {r['frames']} "
            f"| {r['abs_rel']:.3f} | {r['oracle_abs_rel']:.3f} | {r['ratio']:.2f} "
            f"| {r['jitter_mean']:.2%} | {r['jitter_95']:.2%} |"
        )
    return "\n".join(lines) + "\n"


def _add(
    score: DriveScore,
    index: int,
    plain: Prediction,
    depth: Tensor,
    truth: Tensor,
    mask: Tensor,
    oracle: float,
) -> None:
    score.indices.append(index)
    score.abs_rel.append(_abs_rel(depth, truth, mask))
    score.oracle.append(oracle)
    score.effective.append(float((depth[mask] / plain.values[mask]).nanmedian()))


def _oracle(plain: Prediction, truth: Tensor, mask: Tensor) -> Tensor:
    """Depths after the better of a robust and a least-squares line through the truth of a frame."""
    target = torch.where(mask, truth, torch.zeros_like(truth))
    batch = (target[None, None], plain.values[None, None], mask[None, None])
    slope, shift = scale_and_shift(*batch)
    depths = [slope * plain.values + shift]
    try:
        fit = fit_depth(plain.values, target, FitModel.SCALE_SHIFT, options=_ORACLE)
        depths.append(fit.depth_m(plain.values))
    except FitError:  # then the least squares stand alone
        pass
    return min(depths, key=lambda depth: _abs_rel(depth, truth, mask))


def _abs_rel(depth: Tensor, truth: Tensor, mask: Tensor) -> float:
    error = (depth[mask] - truth[mask]).abs() / truth[mask]
    return float(torch.where(torch.isfinite(error), error, torch.ones_like(error)).mean())


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan
