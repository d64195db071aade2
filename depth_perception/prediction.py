"""The result of every model: a depth map with its camera, space and scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .depth_space import DepthKind, DepthSpace, ScaleFit, ScaleKind
from .geometry import Camera, edge_reach
from .geometry.segments import SegmentStatistics, StatisticsOptions, segment_statistics


class AffineInvariantError(ValueError):
    """Depth was requested from values with unknown scale and shift."""


@dataclass(frozen=True)
class Instance:
    """One segment of a panoptic prediction.

    Attributes:
        id: number of the segment in this image, from 1.
        class_id, label: class index and its name in the model's class list.
        score: confidence in [0, 1].
        is_thing: countable object (True) or stuff such as road and sky (False).
        box: (left, top, right, bottom) in pixels, right and bottom exclusive. Left is a column of
            the image; on a full turn a box may cross the right border: then right exceeds the
            width, and the columns continue at the left border.
        mask: (bottom - top, right - left) bool, the segment in its box.
    """

    id: int
    class_id: int
    label: str
    score: float
    is_thing: bool
    box: tuple[int, int, int, int]
    mask: Tensor

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left < right and 0 <= top < bottom):
            raise ValueError(
                f"box must satisfy 0 <= left < right and 0 <= top < bottom, got {self.box}"
            )
        if tuple(self.mask.shape) != (bottom - top, right - left):
            raise ValueError(
                f"mask is {tuple(self.mask.shape)} but box {self.box} is "
                f"{(bottom - top, right - left)} (height, width)"
            )


@dataclass(frozen=True)
class Scene:
    """What a model predicts for the whole scene.

    Attributes:
        scale_m: size of the scene, metres: depth divided by it is the model's relative depth.
        is_at_floor: the model returned its smallest possible size: the metric scale is unreliable.
        class_probabilities: of each scene class, empty if the model has none.
        class_names: their names, empty if the weights file does not define them.
    """

    scale_m: float
    is_at_floor: bool = False
    class_probabilities: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.scale_m > 0:
            raise ValueError(f"scale_m must be positive, got {self.scale_m}")
        if self.class_names and len(self.class_names) != len(self.class_probabilities):
            raise ValueError(
                f"{len(self.class_names)} class names but {len(self.class_probabilities)} "
                "probabilities"
            )

    @property
    def class_name(self) -> str:
        """Name of the most probable scene class; empty if no names are known."""
        if not self.class_names:
            return ""
        best = max(range(len(self.class_names)), key=self.class_probabilities.__getitem__)
        return self.class_names[best]


@dataclass(frozen=True)
class Prediction:
    """Depth of one image.

    Attributes:
        values: (H, W) float32 on the device of the network, in ``space`` up to ``scale``.
        valid: (H, W) bool; false for sky, failed alignment, masked robot body. Values that are
            not finite become invalid on construction.
        camera: the pixel grid of ``values``.
        kind: range along the ray or z-depth.
        space, scale: see :class:`DepthSpace` and :class:`ScaleKind`.
        instances: segments of a panoptic model, else empty.
        segments: (H, W) int32, the id of the instance of every pixel, 0 for none; None for models
            without segmentation.
        sigma: (H, W) float32, standard deviation of the depth relative to the depth; None for
            models that do not predict it.
        scene: prediction for the whole scene; None for most models.
        fit: the fit that made the values metric, if they were fitted.
        fit_source: reference of the fit, for example "moge-2"; empty without a fit.
        note: reason why the values are not metric, for models that usually are.
    """

    values: Tensor
    valid: Tensor
    camera: Camera
    kind: DepthKind
    space: DepthSpace
    scale: ScaleKind
    instances: tuple[Instance, ...] = ()
    scene: Scene | None = None
    fit: ScaleFit | None = None
    fit_source: str = ""
    note: str = ""
    segments: Tensor | None = None
    sigma: Tensor | None = None

    def __post_init__(self) -> None:
        grid = (self.camera.height, self.camera.width)
        if tuple(self.values.shape) != grid or tuple(self.valid.shape) != grid:
            raise ValueError(
                f"values {tuple(self.values.shape)} and valid {tuple(self.valid.shape)} must both "
                f"be {grid}, the grid of the camera"
            )
        if self.values.dtype != torch.float32 or self.valid.dtype != torch.bool:
            raise TypeError(
                f"values must be float32 and valid bool, got {self.values.dtype} and "
                f"{self.valid.dtype}"
            )
        if self.segments is not None and (
            tuple(self.segments.shape) != grid or self.segments.dtype != torch.int32
        ):
            raise ValueError(
                f"segments must be int32 of shape {grid}, got {self.segments.dtype} of shape "
                f"{tuple(self.segments.shape)}"
            )
        if self.sigma is not None and tuple(self.sigma.shape) != grid:
            raise ValueError(f"sigma must be of shape {grid}, got {tuple(self.sigma.shape)}")
        for instance in self.instances:
            self._check_box(instance)
        object.__setattr__(self, "valid", self.valid & torch.isfinite(self.values))

    @property
    def is_metric(self) -> bool:
        """Whether :attr:`depth` is in metres."""
        return self.scale is ScaleKind.METRIC

    @property
    def depth(self) -> Tensor:
        """(H, W) float32 depth: metres if METRIC, up to a factor if SCALE_INVARIANT.

        Raises:
            AffineInvariantError: scale and shift are unknown.
        """
        if self.scale is ScaleKind.AFFINE_INVARIANT:
            raise AffineInvariantError(
                f"these values are {self.space.value} with unknown scale and shift: a depth made "
                "from them would bend every surface. Recover metric scale first, use a metric "
                "model, or read prediction.values" + (f" ({self.note})" if self.note else "")
            )
        return self.space.to_depth(self.values)

    def points(self, *, allow_affine: bool = False) -> Tensor:
        """(H, W, 3) float32 points in the optical frame, NaN where not valid.

        ``allow_affine`` builds a cloud from affine-invariant values as if their shift were zero.
        Its geometry is distorted: use it for visualisation, not for measurement.

        Raises:
            AffineInvariantError: see :attr:`depth`.
        """
        depth = self.space.to_depth(self.values) if allow_affine else self.depth
        usable = self.valid & torch.isfinite(depth) & (depth > 0)
        points = self.camera.unproject(depth, self.kind)
        return torch.where(usable[..., None], points, torch.full_like(points, torch.nan))

    @property
    def segment_map(self) -> Tensor:
        """:attr:`segments` of a panoptic prediction.

        Raises:
            ValueError: it has none.
        """
        if self.segments is None:
            raise ValueError("this prediction has no segments: use a panoptic model")
        return self.segments

    def segment_statistics(self, options: StatisticsOptions | None = None) -> SegmentStatistics:
        """Depth, position and size of all instances, in their order, on the device.

        Raises:
            AffineInvariantError: see :attr:`depth`.
            ValueError: the prediction has no segments.
        """
        return segment_statistics(
            self.segment_map,
            [instance.id for instance in self.instances],
            self.depth,
            self.points(),
            self.valid,
            options,
            wraps=self.camera.is_full_turn,
            reach=edge_reach(self.camera),
        )

    def to(self, device: torch.device | str) -> Prediction:
        """The same prediction on another device."""
        return replace(
            self,
            values=self.values.to(device),
            valid=self.valid.to(device),
            instances=tuple(replace(i, mask=i.mask.to(device)) for i in self.instances),
            segments=None if self.segments is None else self.segments.to(device),
            sigma=None if self.sigma is None else self.sigma.to(device),
        )

    def _check_box(self, instance: Instance) -> None:
        left, _, right, bottom = instance.box
        height, width = self.camera.height, self.camera.width
        end = left + width if self.camera.is_full_turn else width
        if left >= width or right > end or bottom > height:
            raise ValueError(
                f"box {instance.box} of instance {instance.id} leaves the {width} x {height} image"
                + (" (it may cross the right border, once around at most)" * (end > width))
            )
