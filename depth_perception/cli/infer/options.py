"""The options of ``depth-perception infer``, and checks of their combinations."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ... import __version__
from ...depth_space import ScaleKind
from ...options import Backend, Precision, documented, shared
from ...systems.options import EstimatorOptions, Seam
from .network_options import NetworkOptions
from .scale_options import OptionError, ScaleArguments

if TYPE_CHECKING:
    from ...geometry import Camera
    from ...systems import ModelCard

RawFormat = Literal["npy", "png16", "exr"]
_NOT_IN_THE_FILES = ("input", "device", "out", "recursive", "overwrite", "to_bag", "topic")


class StartError(RuntimeError):
    """The model cannot be loaded."""


@documented
@dataclass(frozen=True)
class InferOptions:
    """All options; the texts below the fields are the help of the command."""

    input: tyro.conf.Positional[Path]
    """Image, folder, .txt list with a path per line, video, or bag (folder, .mcap or .db3)."""
    model: str = "panda-tiny-metric"
    """Name in the catalogue, see `depth-perception models`."""
    checkpoint: Path | None = None
    """Weights file (safetensors or official checkpoint); default: downloaded or bundled weights."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    out: Path = Path("out/infer")
    """Folder for the results."""

    panels: bool = False
    """Run a pinhole model on panoramas, split into eight overlapping views."""
    height: int | None = shared(EstimatorOptions, "height")
    resize: bool = False
    """Write numbers and clouds at the size of the input instead of the network input (videos:
    always). Pictures have the size of the input."""
    precision: Precision = shared(EstimatorOptions, "precision")
    backend: Backend = shared(EstimatorOptions, "backend")
    seam: Seam = shared(EstimatorOptions, "seam")
    flip: bool = shared(EstimatorOptions, "flip")
    fov: tuple[float, ...] = ()
    """Field of view in degrees: H V of a panorama that is not 2:1 and centred on the horizon, LEFT
    RIGHT TOP BOTTOM of any other part of a sphere (longitudes to the right, elevations upward:
    -180 180 90 -45 lacks the floor), or H [V] of a pinhole camera. Default: as the file or bag
    says."""
    focal: float | None = None
    """Focal length of a pinhole camera in pixels of the input, instead of --fov."""
    ignore_exif: bool = False
    """Ignore the focal length in the EXIF block of images."""
    network: Annotated[NetworkOptions, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff] = (
        field(default_factory=NetworkOptions)
    )
    no_smooth_scale: bool = False
    """Videos and bags: do not smooth the metric fit over time (Pixel-Perfect Depth)."""
    metres: Annotated[ScaleArguments, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff] = field(
        default_factory=ScaleArguments
    )

    pred_only: bool = False
    """Write the depth image alone, without the input beside it and the bar."""
    grayscale: bool = False
    """Gray values instead of colours: dark is low, bright is high."""
    palette: Literal["warm", "published"] = "warm"
    """Colours of depth images. warm: near is red, far is blue. published: as in the authors'
    scripts, where the lowest value is blue, at the size of the network input and without a bar."""
    limits: tuple[float, float] | None = None
    """Depth at both ends of the colours; default: extremes of an image, running percentiles of a
    video or bag."""
    raw: tuple[RawFormat, ...] = ()
    """Also write numbers: npy (float32), png16 (millimetres, 0 = unknown), exr (float32)."""
    save_cloud: bool = False
    """Also write a coloured point cloud (PLY)."""
    cloud_frame: Literal["published", "optical", "opengl"] = "published"
    """Axes of clouds. published: as in the authors' scripts, x left, y up, z forward for panoramas
    and optical for pinhole models; optical: x right, y down, z forward; opengl: x right, y up,
    z backward, as in Pixel-Perfect Depth's scripts."""
    allow_bent_cloud: bool = False
    """Write a point cloud even if the depth shift is unknown (geometry will be distorted)."""
    max_range: float | None = None
    """Mark farther pixels as unknown; metres, or the model's unit if it is not metric."""
    edge_filter: float | None = None
    """Remove points at depth discontinuities above this fraction from clouds, for example 0.1."""
    outlier_filter: float | None = None
    """Remove points from clouds whose mean distance to their 20 neighbours exceeds the average by
    this many standard deviations; 3 in Pixel-Perfect Depth's scripts."""

    recursive: bool = False
    """Also search the sub-folders of a folder."""
    topic: str | None = None
    """Image topic of a bag; default: the only one."""
    info_topic: str | None = None
    """CameraInfo topic of a bag; default: the one beside the images, or with their frame."""
    to_bag: Path | None = None
    """Also write the depth of an input bag into this new bag (32FC1, metres)."""
    overwrite: bool = False
    """Process everything again and replace existing results."""

    def input_card(self, card: ModelCard) -> ModelCard:
        """The card of the model as it is used: with ``--depth-model``, and with ``--panels``.

        Raises:
            OptionError: the depth model does not suit, or the model does not run on panels.
        """
        from ...systems import card as card_of
        from ...systems.card import paired_card, panels_card

        depth_model = self.network.given().get("depth_model")
        flag = "--depth-model"
        try:
            if card.is_panoptic and depth_model:
                card = paired_card(card, card_of(depth_model))
            flag = "--panels"
            return panels_card(card) if self.panels else card
        except (KeyError, ValueError) as error:
            raise OptionError(f"{flag}: {error.args[0]}") from error

    def check(self, card: ModelCard) -> None:
        """Reject results that the model cannot provide, and values out of range.

        Raises:
            OptionError: names the option and a remedy.
        """
        self.network.check(card.name)
        self.metres.check(card)
        scale = self.expected_scale(card)
        affine = scale is ScaleKind.AFFINE_INVARIANT
        if affine and self.save_cloud and not self.allow_bent_cloud:
            raise OptionError(
                f"--save-cloud: {card.name} gives {card.space.value} with unknown scale and "
                "shift, so the geometry of a cloud would be distorted; recover metric scale "
                "(--scale), use a metric model (see `depth-perception models`), or write the "
                "distorted cloud with --allow-bent-cloud"
            )
        if scale is not ScaleKind.METRIC:
            for asked, option in (("png16" in self.raw, "--raw png16"), (self.to_bag, "--to-bag")):
                if asked:
                    raise OptionError(
                        f"{option} requires metric depth, and {card.name} is not metric; recover "
                        "metric scale (--scale), use --raw npy or exr, or a metric model (see "
                        "`depth-perception models`)"
                    )
        is_pinhole = card.camera == "pinhole"
        if len(self.fov) not in ((0, 1, 2) if is_pinhole else (0, 2, 4)):
            form = "H [V]" if is_pinhole else "H V or LEFT RIGHT TOP BOTTOM"
            raise OptionError(
                f"--fov takes {form} in degrees for {card.name}, got {len(self.fov)} numbers"
            )
        if self.focal is not None and (card.camera != "pinhole" or self.fov):
            raise OptionError("--focal is for pinhole models, and cannot be combined with --fov")
        for name in ("max_range", "edge_filter", "outlier_filter", "focal"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise OptionError(f"--{name.replace('_', '-')} must be positive, got {value}")
        if self.limits and not self.limits[0] < self.limits[1]:
            raise OptionError(f"--limits must be LOW HIGH with LOW < HIGH, got {self.limits}")
        if self.fov:
            self.camera(card, 100, 200)

    def expected_scale(self, card: ModelCard) -> ScaleKind:
        """The scale of the predictions with these options, if its recovery succeeds."""
        unaligned = self.network.align == "none"
        return self.metres.expected(ScaleKind.AFFINE_INVARIANT if unaligned else card.scale)

    @property
    def knows_camera(self) -> bool:
        """Whether the options describe the camera."""
        return bool(self.fov) or self.focal is not None

    def camera(self, card: ModelCard, height: int, width: int) -> Camera | None:
        """The camera of an image of that size by these options; None: as the model assumes.

        Raises:
            OptionError: no camera has such a field of view.
        """
        from ...geometry import Equirectangular, Pinhole
        from ...systems import ASSUMED_PINHOLE_FOV_DEG

        if self.focal is not None:
            return Pinhole(height, width, self.focal, self.focal, width / 2, height / 2)
        if not self.fov:
            if card.camera != "pinhole" or card.finds_camera or self._needs_camera(card):
                return None
            # Only points depend on the angle: without a cloud no warning is needed.
            return Pinhole.from_fov(height, width, math.radians(ASSUMED_PINHOLE_FOV_DEG))
        angles = [math.radians(angle) for angle in self.fov]
        try:
            if len(angles) == 4:
                left, right, top, bottom = angles
                return Equirectangular(height, width, left, right, -top, -bottom)
            if card.camera != "pinhole":
                return Equirectangular.partial(height, width, *angles)
            camera = Pinhole.from_fov(height, width, angles[0])
            if len(angles) == 1:
                return camera
            focal = Pinhole.from_fov(height, height, angles[1]).fy
            return Pinhole(height, width, camera.fx, focal, width / 2, height / 2)
        except ValueError as error:
            raise OptionError(f"--fov {' '.join(map(str, self.fov))}: {error}") from error

    def _needs_camera(self, card: ModelCard) -> bool:
        """Whether results depend on a focal length that the model does not estimate."""
        reference = self.network.reference_focal_px
        return self.save_cloud or bool(card.reference_focal_px if reference is None else reference)

    def settings(self) -> str:
        """Digest of everything that affects the content of result files."""
        from ...systems import weights_path

        values = {k: v for k, v in asdict(self).items() if k not in _NOT_IN_THE_FILES}
        weights = self.checkpoint or weights_path(self.model)
        if weights.exists():
            stat = weights.stat()
            values["checkpoint"] = [str(weights.resolve()), stat.st_size, stat.st_mtime_ns]
        others = (self.network.semantics_checkpoint, self.network.moge_checkpoint)
        files = (*self.metres.files(), *filter(None, others))
        states = [(path, path.stat()) for path in files if path.is_file()]
        values["other files"] = [(str(path), s.st_size, s.st_mtime_ns) for path, s in states]
        text = json.dumps([__version__, values], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
