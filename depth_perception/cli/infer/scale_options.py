"""The options ``--scale ...`` of ``depth-perception infer``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...depth_space import ScaleKind
from ...options import documented, flag, option, option_text, shared
from ...scale.options import Extrinsics, FixedOptions, ScaleOptions, ScaleSetup, SensorMount
from ...systems import ModelCard, card

Source = Literal["model", "points", "camera-height", "reference", "fixed", "none"]


class OptionError(ValueError):
    """Options that cannot be combined; the text says why and what to do."""


@documented
@dataclass(frozen=True)
class ScaleArguments:
    """Source of metric scale."""

    scale: Source = option(
        "model",
        option_text(ScaleSetup, "source").replace("_", "-")
        + " points needs --points or --points-topic.",
    )
    fixed: tuple[float, ...] = flag(
        (),
        f"SCALE [SHIFT]. {option_text(FixedOptions, 'scale')} {option_text(FixedOptions, 'shift')}",
    )
    camera_height: float | None = shared(ScaleSetup, "camera_height_m", default=None)
    camera_pitch: float = shared(ScaleSetup, "camera_pitch_deg")
    camera_roll: float = shared(ScaleSetup, "camera_roll_deg")
    reference_model: str = shared(ScaleSetup, "reference_model")
    reference_checkpoint: Path | None = shared(ScaleSetup, "reference_checkpoint", default=None)
    points: Path | None = None
    """Points (PLY, or npy of shape (N, 3)) in metres for all images and frames, or a folder with
    NAME.ply or NAME.npy for each image."""
    points_topic: str | None = None
    """Topic of a bag with PointCloud2 or LaserScan messages."""
    points_tolerance: float = shared(ScaleSetup, "tolerance_s")
    extrinsics: tuple[float, ...] = ()
    """X Y Z ROLL PITCH YAW of the sensor of the points, metres and degrees, in the body frame of
    the camera (x forward, y left, z up). Without it: /tf_static for --points-topic; points of
    --points lie in the optical frame of the camera (x right, y down, z forward)."""
    hold: float = shared(ScaleSetup, "hold_s")

    def check(self, model: ModelCard) -> None:
        """Reject combinations that cannot work.

        Raises:
            OptionError: see its text.
        """
        has_points = self.points is not None or self.points_topic is not None
        needs = {
            "fixed": ("--fixed", bool(self.fixed)),
            "camera-height": ("--camera-height", self.camera_height is not None),
            "points": ("--points or --points-topic", has_points),
        }
        for source, (needed, is_given) in needs.items():
            if is_given and self.scale != source:
                raise OptionError(f"{needed} is for --scale {source}")
            if not is_given and self.scale == source:
                raise OptionError(f"--scale {source} needs {needed}")
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
        """The options of the library."""
        height = {} if self.camera_height is None else {"camera_height_m": self.camera_height}
        setup = ScaleSetup(
            source=self.scale.replace("-", "_"),
            tolerance_s=self.points_tolerance,
            camera_pitch_deg=self.camera_pitch,
            camera_roll_deg=self.camera_roll,
            hold_s=self.hold,
            extrinsics=SensorMount(*self.extrinsics),
            **height,
            **dict(zip(("fixed_scale", "fixed_shift"), self.fixed, strict=False)),
        )
        return setup.options()

    def files(self) -> list[Path]:
        """Files that decide what results hold."""
        folder = self.points is not None and self.points.is_dir()
        points = sorted(self.points.iterdir()) if folder and self.points else [self.points]
        return [path for path in (*points, self.reference_checkpoint) if path is not None]

    def mount(self) -> Extrinsics | None:
        """Pose of the sensor of the points as far as ``--extrinsics`` says it."""
        return SensorMount(*self.extrinsics).extrinsics() if self.extrinsics else None

    def _check_reference(self, model: ModelCard) -> None:
        try:
            other = card(self.reference_model)
        except KeyError as error:
            raise OptionError(f"--reference-model: {error.args[0]}") from error
        if not other.is_metric:
            raise OptionError(f"--reference-model {other.name} is not metric")
        if other.camera != model.camera and other.camera != "pinhole":
            raise OptionError(
                f"--reference-model {other.name} is for {other.camera} images, but {model.name} "
                f"for {model.camera} ones"
            )
