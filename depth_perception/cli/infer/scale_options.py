"""The options ``--scale ...`` of ``depth-perception infer``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...depth_space import ScaleKind

if TYPE_CHECKING:
    from ...scale import Extrinsics, ScaleOptions
    from ...systems import ModelCard

Source = Literal["model", "points", "camera-height", "reference", "fixed", "none"]


class OptionError(ValueError):
    """Options that cannot go together; the text says why and what to do."""


@dataclass(frozen=True)
class ScaleArguments:
    """Where metres come from."""

    scale: Source = "model"
    """model: what the model says. points: a lidar (--points or --points-topic). camera-height: flat
    ground (--camera-height). reference: another, metric model. fixed: --fixed. none: no metres."""
    fixed: tuple[float, ...] = ()
    """SCALE [SHIFT] that make metres of the model's values, for --scale fixed."""
    camera_height: float | None = None
    """Metres from flat ground up to the camera, for --scale camera-height."""
    camera_pitch: float = 0.0
    """Degrees by which the camera looks down."""
    camera_roll: float = 0.0
    """Degrees by which the camera is turned clockwise about its optical axis."""
    reference_model: str = "moge-2-vits-normal"
    """A metric model for --scale reference; around a panorama it looks panel by panel."""
    reference_checkpoint: Path | None = None
    """Its weights file; default: the fetched one."""
    points: Path | None = None
    """Points (PLY, or npy of shape (N, 3)) in metres for all pictures and frames, or a folder with
    NAME.ply or NAME.npy for each picture."""
    points_topic: str | None = None
    """Topic of a bag with PointCloud2 or LaserScan messages."""
    points_tolerance: float = 0.1
    """A message belongs to an image if their stamps differ by no more seconds."""
    extrinsics: tuple[float, ...] = ()
    """X Y Z ROLL PITCH YAW of the sensor of the points, metres and degrees, in the body frame of
    the camera (x forward, y left, z up). Without it: /tf_static for --points-topic; points of
    --points lie in the optical frame of the camera (x right, y down, z forward)."""
    hold: float = 2.0
    """Seconds for which the last scale of a video or bag holds when the source is silent."""

    def check(self, model: ModelCard) -> None:
        """Refuse what does not go together.

        Raises:
            OptionError: see its text.
        """
        needs = {
            "fixed": (("--fixed", bool(self.fixed)),),
            "camera-height": (("--camera-height", self.camera_height is not None),),
            "points": (("--points or --points-topic", self._has_points),),
        }
        for source, options in needs.items():
            for option, is_given in options:
                if is_given and self.scale != source:
                    raise OptionError(f"{option} is for --scale {source}")
                if not is_given and self.scale == source:
                    raise OptionError(f"--scale {source} needs {option}")
        if self.points is not None and self.points_topic is not None:
            raise OptionError("give --points or --points-topic, not both")
        if self.extrinsics and (self.scale != "points" or len(self.extrinsics) != 6):
            raise OptionError(
                "--extrinsics takes X Y Z ROLL PITCH YAW and is for --scale points, got "
                f"{len(self.extrinsics)} numbers"
            )
        if len(self.fixed) > 2:
            raise OptionError(f"--fixed takes SCALE [SHIFT], got {len(self.fixed)} numbers")
        if len(self.fixed) == 2 and self.fixed[1] and model.scale is not ScaleKind.AFFINE_INVARIANT:
            raise OptionError(
                f"{model.name} lacks no shift: give --fixed SCALE alone, got {self.fixed[1]}"
            )
        if not self.points_tolerance >= 0:
            raise OptionError("--points-tolerance must not be negative")
        if self.scale == "reference":
            self._check_reference(model)
        try:
            self.options()
        except ValueError as error:
            raise OptionError(f"--scale {self.scale}: {error}") from error

    def expected(self, scale: ScaleKind) -> ScaleKind:
        """What predictions of this scale become, if all goes well."""
        if self.scale == "none" and scale is ScaleKind.METRIC:
            return ScaleKind.SCALE_INVARIANT
        return scale if self.scale in ("model", "none") else ScaleKind.METRIC

    def options(self) -> ScaleOptions:
        """The same for the library."""
        from ...scale import ScaleOptions
        from ...scale.sources import FixedOptions, GroundOptions, upward

        usual = ScaleOptions()
        ground, fixed = usual.ground, None
        if self.camera_height is not None:
            up = upward(math.radians(self.camera_pitch), math.radians(self.camera_roll))
            ground = GroundOptions(height_m=self.camera_height, up=up)
        if self.fixed:
            fixed = FixedOptions(*self.fixed)
        return ScaleOptions(
            source=self.scale.replace("-", "_"),  # type: ignore[arg-type]
            filter=replace(usual.filter, hold_s=self.hold),
            ground=ground,
            fixed=fixed,
            extrinsics=self.mount(),
        )

    def files(self) -> list[Path]:
        """Files that decide what results hold."""
        folder = self.points is not None and self.points.is_dir()
        points = sorted(self.points.iterdir()) if folder and self.points else [self.points]
        return [path for path in (*points, self.reference_checkpoint) if path is not None]

    @property
    def _has_points(self) -> bool:
        return self.points is not None or self.points_topic is not None

    def mount(self) -> Extrinsics | None:
        """Where the sensor of the points sits, as far as ``--extrinsics`` tells."""
        from ...scale import Extrinsics

        if not self.extrinsics:
            return None
        angles = (math.radians(angle) for angle in self.extrinsics[3:])
        return Extrinsics(*self.extrinsics[:3], *angles)

    def _check_reference(self, model: ModelCard) -> None:
        from ...systems import card

        try:
            other = card(self.reference_model)
        except KeyError as error:
            raise OptionError(f"--reference-model: {error.args[0]}") from error
        if not other.is_metric:
            raise OptionError(f"--reference-model {other.name} gives no metres")
        if other.camera != model.camera and other.camera != "pinhole":
            raise OptionError(
                f"--reference-model {other.name} is for {other.camera} images, but {model.name} "
                f"for {model.camera} ones"
            )
