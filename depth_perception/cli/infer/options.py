"""The options of ``depth-perception infer`` and what they mean together."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ... import __version__
from ...geometry import Camera, Equirectangular, Pinhole
from ...prediction import ScaleKind
from ...systems import ASSUMED_PINHOLE_FOV_DEG, ModelCard, weights_path
from ...systems.card import panels_card
from .network_options import NetworkOptions
from .scale_options import OptionError, ScaleArguments

RawFormat = Literal["npy", "png16", "exr"]
_NOT_IN_THE_FILES = ("input", "device", "out", "recursive", "overwrite", "to_bag", "topic")


@dataclass(frozen=True)
class InferOptions:
    """What the user asks for; the texts below the fields are the help of the command."""

    input: tyro.conf.Positional[Path]
    """Picture, folder, .txt list with a path per line, video, or bag (folder, .mcap or .db3)."""
    model: str = "panda-tiny-metric"
    """Name in the catalogue, see `depth-perception models`."""
    checkpoint: Path | None = None
    """Weights file (safetensors or the authors' own); default: the one of the model."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    out: Path = Path("out/infer")
    """Folder for the results."""

    panels: bool = False
    """The input are panoramas: a pinhole model looks around in eight panels."""
    height: int | None = None
    """Height at which the network sees the picture (side of the --panels); default: that of the
    model."""
    resize: bool = False
    """Results at the size of the input instead of that of the network (videos: always)."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the network's encoder, of panoptic models of all but the depth branch; with
    another backend than torch, of all of it."""
    backend: Literal["torch", "openvino", "onnxruntime", "tensorrt", "inductor"] = "torch"
    """What runs the network: torch, openvino (CPU), onnxruntime, tensorrt (CUDA), or inductor:
    torch compiled, which wants a C++ compiler the first time."""
    seam: Literal["off", "circular", "blend"] = "off"
    """How the left and right border of a panorama meet: off is the published network."""
    flip: bool = False
    """Average with the prediction of the mirrored picture (twice the time)."""
    fov: tuple[float, ...] = ()
    """Field of view in degrees: H V of a panorama that is not 2:1, or H [V] of a pinhole camera."""
    focal: float | None = None
    """Focal length of a pinhole camera in pixels of the input, instead of --fov."""
    ignore_exif: bool = False
    """Do not take the focal length of pictures from their EXIF block."""
    network: Annotated[NetworkOptions, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff] = (
        field(default_factory=NetworkOptions)
    )
    no_smooth_scale: bool = False
    """Videos and bags: every frame keeps its own fit to metres (Pixel-Perfect Depth)."""
    metres: Annotated[ScaleArguments, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff] = field(
        default_factory=ScaleArguments
    )

    pred_only: bool = False
    """The depth alone, not beside the input."""
    grayscale: bool = False
    """Gray instead of colours."""
    limits: tuple[float, float] | None = None
    """Depth at both ends of the colours; default: extremes of a picture, running percentiles of a
    video or bag."""
    raw: tuple[RawFormat, ...] = ()
    """Depth as numbers too: npy (float32), png16 (millimetres, 0 = unknown), exr (float32)."""
    save_cloud: bool = False
    """A coloured point cloud (PLY) too."""
    cloud_frame: Literal["published", "optical", "opengl"] = "published"
    """Axes of clouds. published: for panoramas as the authors' scripts, x left, y up, z forward;
    optical (always for pinhole models, if not opengl): x right, y down, z forward; opengl: x right,
    y up, z backward, as Pixel-Perfect Depth's scripts."""
    allow_bent_cloud: bool = False
    """Make a cloud even of depth with unknown shift; its surfaces are bent."""
    max_range: float | None = None
    """Farther pixels are unknown, in metres (in the model's unit if it is not metric)."""
    edge_filter: float | None = None
    """Leave points at depth jumps above this fraction out of clouds, for example 0.1."""

    outlier_filter: float | None = None
    """Leave points out of clouds whose 20 nearest are farther away than usual by so many standard
    deviations; 3 in Pixel-Perfect Depth's scripts."""

    recursive: bool = False
    """Enter the sub-folders of a folder."""
    topic: str | None = None
    """Image topic of a bag; default: the only one."""
    to_bag: Path | None = None
    """Write the depth of an input bag into this new bag too (32FC1, metres)."""
    overwrite: bool = False
    """Do everything again and replace what is there."""

    def looks_with(self, card: ModelCard) -> ModelCard:
        """What the model is with these options: of panoramas with ``--panels``.

        Raises:
            OptionError: panels are not for this model, or it is for nothing else.
        """
        if not self.panels:
            return card
        try:
            return panels_card(card)
        except ValueError as error:
            raise OptionError(f"--panels: {error}") from error

    def check(self, card: ModelCard) -> None:
        """Refuse what the model cannot give.

        Raises:
            OptionError: see its text.
        """
        self.network.check(card.name)
        self.metres.check(card)
        scale = self.expected_scale(card)
        affine = scale is ScaleKind.AFFINE_INVARIANT
        if affine and self.save_cloud and not self.allow_bent_cloud:
            raise OptionError(
                f"--save-cloud: {card.name} gives {card.space.value} with unknown scale and "
                "shift, and a cloud of it would be bent; recover metres (--scale), use a metric "
                "model (see `depth-perception models`), or --allow-bent-cloud to look at it all "
                "the same"
            )
        if scale is not ScaleKind.METRIC:
            for asked, option in (("png16" in self.raw, "--raw png16"), (self.to_bag, "--to-bag")):
                if asked:
                    raise OptionError(
                        f"{option} holds metric depth, and {card.name} is not metric; recover "
                        "metres (--scale), use --raw npy or exr, or a metric model (see "
                        "`depth-perception models`)"
                    )
        if len(self.fov) > 2 or (len(self.fov) == 1 and card.camera != "pinhole"):
            raise OptionError(
                f"--fov takes {'H [V]' if card.camera == 'pinhole' else 'H V'} in degrees for "
                f"{card.name}, got {len(self.fov)} numbers"
            )
        if self.focal is not None and (card.camera != "pinhole" or self.fov):
            raise OptionError("--focal is for pinhole models, and instead of --fov")
        for name in ("max_range", "edge_filter", "outlier_filter", "focal"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise OptionError(f"--{name.replace('_', '-')} must be positive, got {value}")
        if self.limits and not self.limits[0] < self.limits[1]:
            raise OptionError(f"--limits must be LOW HIGH with LOW < HIGH, got {self.limits}")
        self.camera(card, 100, 200)

    def expected_scale(self, card: ModelCard) -> ScaleKind:
        """What the predictions of the model will be with these options, if all goes well."""
        unaligned = self.network.align == "none"
        return self.metres.expected(ScaleKind.AFFINE_INVARIANT if unaligned else card.scale)

    @property
    def knows_camera(self) -> bool:
        """Whether the user says what the pictures show."""
        return bool(self.fov) or self.focal is not None

    def camera(self, card: ModelCard, height: int, width: int) -> Camera | None:
        """The camera of a picture of that size as the user tells it; None: as the model assumes.

        Raises:
            OptionError: no camera has such a field of view.
        """
        if self.focal is not None:
            return Pinhole(height, width, self.focal, self.focal, width / 2, height / 2)
        if not self.fov:
            if card.camera != "pinhole" or card.finds_camera or self._needs_camera(card):
                return None
            # Only points depend on the angle: without a cloud there is nothing to warn of.
            return Pinhole.from_fov(height, width, math.radians(ASSUMED_PINHOLE_FOV_DEG))
        angles = [math.radians(angle) for angle in self.fov]
        try:
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
        """Whether results depend on the focal length of a model that does not find it."""
        reference = self.network.reference_focal_px
        return self.save_cloud or bool(card.reference_focal_px if reference is None else reference)

    def settings(self) -> str:
        """Digest of everything that decides what result files hold."""
        values = {k: v for k, v in asdict(self).items() if k not in _NOT_IN_THE_FILES}
        weights = self.checkpoint or weights_path(self.model)
        if weights.is_file():
            stat = weights.stat()
            values["checkpoint"] = [str(weights.resolve()), stat.st_size, stat.st_mtime_ns]
        others = (self.network.semantics_checkpoint, self.network.moge_checkpoint)
        files = (*self.metres.files(), *filter(None, others))
        states = [(path, path.stat()) for path in files if path.is_file()]
        values["other files"] = [(str(path), s.st_size, s.st_mtime_ns) for path, s in states]
        text = json.dumps([__version__, values], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
