"""Accuracy of recovered metric scale on synthetic drives: images, lidar and ground truth of a
moving camera, kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..data.worlds import Walk, make_world, render
from ..data.worlds.bag import walk_pose
from ..data.worlds.lidar import Lidar, scan
from ..data.worlds.primitives import first_hits
from ..data.worlds.world import BODY_OF_OPTICAL, World
from ..geometry import Equirectangular
from ..geometry.rotations import axis_rotation
from ..io.atomic import replacing
from ..io.sheet import Sheet
from ..prediction import DepthSpace, Prediction, ScaleKind
from ..scale import FitError, FitModel, FitOptions, ScaleOptions, ScaleRecovery, fit_depth
from ..scale.sources import points_reference
from ..systems import Estimator
from .alignment import scale_and_shift

_VERSION = 1
Lacking = Literal["scale_shift", "scale"]


@dataclass(frozen=True)
class DriveOptions:
    """One drive through one world.

    Attributes:
        kind, seed: the world.
        frames, rate_hz, speed_mps: see :class:`~depth_perception.data.worlds.Walk`.
        height: rows of the panorama.
        lidar: the sensor.
        mount_m: position of the lidar in the body frame of the camera (x forward, y left, z up).
        mount_yaw: yaw of the lidar to the left, radians.
        late_s: delay of the lidar measurement after its stamp, seconds, while the camera moves.
    """

    kind: str = "street"
    seed: int = 0
    frames: int = 300
    rate_hz: float = 10.0
    speed_mps: float = 1.5
    height: int = 112
    lidar: Lidar = field(default_factory=lambda: Lidar(outliers=0.3))
    mount_m: tuple[float, float, float] = (0.1, 0.05, 0.15)
    mount_yaw: float = 0.3
    late_s: float = 0.02

    @property
    def camera(self) -> Equirectangular:
        """The pixel grid of the images."""
        return Equirectangular(self.height, 2 * self.height)

    def lidar_in_camera(self) -> Tensor:
        """(4, 4) float64, from the lidar to the optical frame of the camera."""
        mount, optical = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
        mount[:3, :3] = axis_rotation(2, self.mount_yaw)
        mount[:3, 3] = torch.tensor(self.mount_m, dtype=torch.float64)
        optical[:3, :3] = BODY_OF_OPTICAL.T
        return optical @ mount


@dataclass(frozen=True)
class DriveFrame:
    """One moment of a drive, ``stamp_s`` after its start: image (H, W, 3) uint8, range (H, W)
    float32, infinite in the sky, points (N, 3) float32 in the frame of the lidar, and height of
    the camera above the ground under it."""

    stamp_s: float
    rgb: Tensor
    range_m: Tensor
    points: Tensor
    camera_height_m: float


def drive(
    options: DriveOptions, cache: Path | None = None, on_frame: Callable[[int], None] | None = None
) -> Iterator[DriveFrame]:
    """The frames of a drive; frames in the folder ``cache`` are read instead of rendered."""
    world = make_world(options.kind, options.seed)
    for index in range(options.frames):
        path = None if cache is None else cache / _name(options) / f"{index:04d}.pt"
        if path is not None and path.exists():
            frame = DriveFrame(**torch.load(path, weights_only=True))
        else:
            frame = _frame(world, options, index)
            if path is not None:
                with replacing(path) as partial:
                    torch.save(dict(vars(frame)), partial)
        if on_frame is not None:
            on_frame(index)
        yield frame


def _frame(world: World, options: DriveOptions, index: int) -> DriveFrame:
    walk = Walk(frames=options.frames, rate_hz=options.rate_hz, speed_mps=options.speed_mps)
    pose = walk_pose(world, walk, index)
    # the pose between two frames
    late_pose = walk_pose(world, walk, index + options.late_s * options.rate_hz)
    image = render(world, options.camera, pose, antialias=True)
    lidar_pose = late_pose @ options.lidar_in_camera()
    down = torch.tensor([[0.0], [0.0], [-1.0]])
    height_m, _ = first_hits(world.primitives, pose[:3, 3].float(), down)
    points = scan(world, options.lidar, lidar_pose, seed=1000 * options.seed + index)
    stamp_s = index / options.rate_hz
    return DriveFrame(stamp_s, image.rgb, image.range_m, points, float(height_m[0]))


def _name(options: DriveOptions) -> str:
    """Name of a drive's folder in a cache; it depends on all options that change a frame."""
    text = repr((_VERSION, asdict(replace(options, frames=1))))
    return f"{options.kind}-{options.seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


_ORACLE = FitOptions(min_inlier_ratio=0.05, max_residual_ratio=math.inf)


@dataclass(frozen=True)
class DriveProtocol:
    """How the scale recovery of a drive is scored.

    Attributes:
        max_depth_m: ground truth farther than this is not scored; nor is sky.
        scale_spread: sigma of normal noise; each frame's values are divided by its exponential.
        shift_spread_m: sigma in metres of normal noise that is subtracted before the division.
        seed: of the random draws.
        steady: one random scale and shift for the whole drive.
        lacks: ``scale_shift`` hides scale and shift of depth, as relative models of PanDA do;
            ``scale`` hides one factor of inverse depth, as DA360 does.
    """

    max_depth_m: float = 20.0
    scale_spread: float = 0.5
    shift_spread_m: float = 2.0
    seed: int = 0
    steady: bool = False
    lacks: Lacking = "scale_shift"


@dataclass
class DriveScore:
    """The score of one source of scale on one drive; lists have one number per metric frame.

    Attributes:
        world, way: kind of world, and source of scale.
        frames: number of scored frames.
        abs_rel: mean error of the pixels of a frame relative to the ground truth; a pixel without
            depth has an error of 1.
        oracle: ``abs_rel`` of the best fit to the ground truth of each of these frames.
        effective: median ratio of the recovered depth to the network's undistorted output.
        indices: the frame of each number.
        warnings: number of frames with at least one warning.
    """

    world: str
    way: str
    frames: int = 0
    abs_rel: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    effective: list[float] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    warnings: int = 0

    def add(
        self, index: int, depth: Tensor, plain: Tensor, ground_truth: Tensor, oracle: float
    ) -> None:
        """Add a metric frame by its scored pixels (N,): recovered, undistorted and true depth."""
        self.indices.append(index)
        self.abs_rel.append(_abs_rel(depth, ground_truth))
        self.oracle.append(oracle)
        self.effective.append(float((depth / plain).nanmedian()))

    def jitter(self) -> tuple[float, float]:
        """Mean and 95th percentile of the change of the effective scale between neighbours.

        The effective scale depends neither on the random distortion nor on changes of the network's
        output from frame to frame.
        """
        numbers = list(zip(self.indices, self.effective, strict=True))
        pairs = itertools.pairwise(numbers)
        steps = [abs(math.log(b / a)) for (i, a), (j, b) in pairs if j == i + 1]
        return _mean(steps), sorted(steps)[int(0.95 * len(steps))] if steps else math.nan

    def row(self) -> dict[str, Any]:
        """A row of the table: ``metric`` is the share of the frames with metric depth, ``ratio``
        the mean AbsRel divided by that of the oracle."""
        mean, tail = self.jitter()
        abs_rel, oracle = _mean(self.abs_rel), _mean(self.oracle)
        return {
            "world": self.world, "way": self.way, "frames": self.frames,
            "metric": len(self.abs_rel) / max(1, self.frames),
            "abs_rel": abs_rel, "oracle_abs_rel": oracle, "ratio": abs_rel / oracle,
            "jitter_mean": mean, "jitter_95": tail, "frames_with_warnings": self.warnings,
        }  # fmt: skip


def score_drive(
    estimator: Estimator,
    options: DriveOptions,
    frames: Iterable[DriveFrame],
    ways: Sequence[str] = ("points", "camera_height"),
    protocol: DriveProtocol | None = None,
    scale: ScaleOptions | None = None,
) -> list[DriveScore]:
    """Distort the output of a metric model frame by frame and recover its metres.

    Args:
        estimator: of a metric model of depth; its undistorted output is scored too.
        options: of the drive.
        frames: of the drive, in order.
        ways: sources of scale, "points" or "camera_height"; with " alone" appended (as in "points
            alone") each frame is fitted independently.
        protocol: see :class:`DriveProtocol`.
        scale: options of the recovery; source and camera height are replaced.

    Raises:
        ValueError: the model is not metric.
    """
    protocol, scale = protocol or DriveProtocol(), scale or ScaleOptions()
    if not estimator.card.is_metric or estimator.card.space is not DepthSpace.DEPTH:
        raise ValueError(f"{estimator.card.name} does not predict metres of depth")
    world = options.kind
    own, best = DriveScore(world, "network's own metres"), DriveScore(world, "oracle")
    scores = [DriveScore(world, way) for way in ways]
    recoveries: dict[int, ScaleRecovery] = {}
    generator = torch.Generator().manual_seed(protocol.seed)
    to_camera = options.lidar_in_camera()
    factor, offset = 1.0, 0.0
    for index, frame in enumerate(frames):
        plain = estimator(frame.rgb)
        if index == 0 or not protocol.steady:
            draw = torch.randn(2, generator=generator).tolist()
            factor = math.exp(protocol.scale_spread * draw[0])
            offset = protocol.shift_spread_m * draw[1]
        relative = _distorted(plain, factor, offset, protocol.lacks)
        ground_truth = frame.range_m.to(plain.values.device)
        mask = torch.isfinite(ground_truth) & (ground_truth <= protocol.max_depth_m) & plain.valid
        if not bool(mask.any()):
            continue
        oracle_depth = _oracle(plain, ground_truth, mask)
        oracle = _abs_rel(oracle_depth[mask], ground_truth[mask])
        scored = (plain.values[mask], ground_truth[mask], oracle)
        own.add(index, plain.values[mask], *scored)
        best.add(index, oracle_depth[mask], *scored)
        for score in (own, best, *scores):
            score.frames += 1
        reference = points_reference(frame.points, to_camera, relative.camera, relative.kind)
        for number, score in enumerate(scores):
            name, _, alone = score.way.partition(" ")
            if alone or number not in recoveries:
                ground = replace(scale.ground, height_m=frame.camera_height_m)
                recoveries[number] = ScaleRecovery(replace(scale, source=name, ground=ground))
            known = reference if name == "points" else None
            result = recoveries[number].recover(relative, known, frame.stamp_s)
            score.warnings += bool(result.report.warnings)
            if result.report.is_metric:
                score.add(index, result.prediction.values[mask], *scored)
    return [own, best, *scores]


def _distorted(plain: Prediction, factor: float, offset: float, lacks: Lacking) -> Prediction:
    """The metres of a prediction without what a relative model lacks."""
    if lacks == "scale":
        inverse = {"space": DepthSpace.INVERSE_DEPTH, "scale": ScaleKind.SCALE_INVARIANT}
        return replace(plain, values=factor / plain.values, **inverse)
    values = (plain.values - offset) / factor
    return replace(plain, values=values, scale=ScaleKind.AFFINE_INVARIANT)


def markdown(scores: Sequence[DriveScore]) -> str:
    """A table of scores."""
    header = "world", "metres from", "frames in metres", "AbsRel", "oracle", "ratio"
    cells = "{world}", "{way}", "{metric:.0%} of {frames}", "{abs_rel:.3f}", "{oracle_abs_rel:.3f}"
    cells += "{ratio:.2f}", "{jitter_mean:.2%}", "{jitter_95:.2%}"
    rows = (tuple(cell.format(**score.row()) for cell in cells) for score in scores)
    return Sheet((*header, "jitter, mean", "jitter, 95 %"), tuple(rows), len(cells)).markdown()


def _oracle(plain: Prediction, ground_truth: Tensor, mask: Tensor) -> Tensor:
    """Depths after the better of a robust and a least-squares fit to the ground truth."""
    target = torch.where(mask, ground_truth, 0)
    slope, shift = scale_and_shift(*(m[None, None] for m in (target, plain.values, mask)))
    depths = [slope * plain.values + shift]
    with contextlib.suppress(FitError):  # keep the least-squares fit
        fit = fit_depth(plain.values, target, FitModel.SCALE_SHIFT, options=_ORACLE)
        depths.append(fit.depth_m(plain.values))
    return min(depths, key=lambda depth: _abs_rel(depth[mask], ground_truth[mask]))


def _abs_rel(depth: Tensor, ground_truth: Tensor) -> float:
    error = (depth - ground_truth).abs() / ground_truth
    return float(torch.where(error.isfinite(), error, 1).mean())


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan
