"""The node ``panoramic_depth``: depth from a 360 degree camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

import numpy as np
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Equirectangular
from ...geometry.camera import same_aspect
from ...geometry.panel_merge import surrounding_panels
from ...io.content import is_dual_fisheye
from ...systems import Estimator, PanelsEstimator, PanopticEstimator, card, options_of
from ...systems.card import paired_card, panels_card
from ..compat.transforms import static_broadcaster
from ..inputs.camera_info_sync import Arrival
from ..inputs.masks import fit_mask, hide, read_mask
from ..messages.buffers import Staging
from ..messages.frames import UPRIGHT, rotation_message, static_transform
from ..outputs.cloud import CloudOutput
from ..outputs.depth_image import DepthOutput
from ..outputs.output import Frame, Output
from ..outputs.panels import PanelOutput
from ..outputs.scan import ScanOutput
from ..outputs.segments import LabelledCloudOutput
from ..parameters.models import estimator_options
from ..parameters.panoramic import PanoramicSettings
from .chosen import load_chosen
from .depth_node import Loaded
from .scaled_node import ScaledNode
from .segments import NodeSegments

_PANOPTIC_GROUPS = ("panoptic", "segments", "instances", "markers")


class PanoramicNode(ScaledNode[PanoramicSettings]):
    """Depth, cloud, pinhole panels and scan from an equirectangular image.

    With a panoptic model also segments and their distances.
    """

    def __init__(self, **options: Any) -> None:
        self._staging = Staging()
        self._mask: Tensor | None = None
        self._scan: ScanOutput | None = None
        self._panels: tuple[PanelOutput, ...] = ()
        self._broadcaster: Any = None
        self._known_frames: set[tuple[str, str]] = set()
        super().__init__("panoramic_depth", PanoramicSettings, **options)

    def load(self, settings: PanoramicSettings) -> Loaded:
        estimator = load_model(settings)
        self._segments = None
        if estimator.card.is_panoptic:
            on_panels = isinstance(estimator, PanelsEstimator)
            model = cast(PanopticEstimator, estimator.pinhole if on_panels else estimator)
            file = settings.panoptic.classes_file
            self._segments = NodeSegments(model, file, settings.segments)
        self._mask = read_mask(settings.mask_file) if settings.mask_file else None
        height = settings.height or estimator.card.default_height
        return self.use(estimator, settings, "equirectangular", height, 2 * height)

    def unload(self) -> None:
        super().unload()
        self._mask = self._scan = None
        self._panels = ()
        self._known_frames.clear()

    def make_outputs(self, settings: PanoramicSettings) -> Sequence[Output]:
        if settings.publish_tf and self._broadcaster is None:
            self._broadcaster = static_broadcaster(self)
            if self._broadcaster is None:
                self.get_logger().warning(
                    "tf2_msgs is not installed: the frames of scan and panels are not published"
                )
        self._scan = ScanOutput(self.make_publisher, lambda: self.settings.scan)
        panels = settings.panels.panels() if settings.panels.enabled else ()
        self._panels = tuple(PanelOutput(self.make_publisher, panel) for panel in panels)
        cloud, segments = CloudOutput, ()
        if self._segments is not None:
            cloud = LabelledCloudOutput
            segments = self._segments.outputs(self.make_publisher, lambda: self.settings)
        return (
            DepthOutput(self.make_publisher),
            cloud(self.make_publisher, lambda: self.settings.cloud),
            self._scan,
            *self._panels,
            *segments,
        )

    def work(self, arrival: Arrival, settings: PanoramicSettings) -> Frame:
        image = self._staging.upload(self.read(arrival.message, settings), self.estimator.device)
        fov = (
            settings.horizontal_fov_deg,
            settings.vertical_fov_deg,
            settings.center_elevation_deg,
        )
        camera = panorama_camera(*image.shape[:2], *fov)
        if self._segments is not None:
            limits = self._segments.changed_limits(settings.segments)
            if limits is not None:
                on_panels = isinstance(self.estimator, PanelsEstimator)
                change = "with_model_options" if on_panels else "with_options"
                self._estimator = getattr(self.estimator, change)(limits=limits)
        prediction, mask = self.estimator(image, camera), None
        if self._mask is not None:
            mask = fit_mask(self._mask, *prediction.values.shape)
            prediction = hide(prediction, mask)
        if self._segments is not None:
            prediction = self._segments.chosen(prediction, settings.segments, mask)
        header = arrival.message.header
        self._publish_frames(header.frame_id, settings)
        return self.in_metres(header, image, prediction, settings)

    def content_fault(self, pixels: np.ndarray) -> str:
        if is_dual_fisheye(pixels):
            return (
                "the image looks like two round images side by side, not like a panorama: let the "
                "driver of the camera stitch it"
            )
        return super().content_fault(pixels)

    def _publish_frames(self, camera_frame: str, settings: PanoramicSettings) -> None:
        """Publish the static transforms of a camera frame once."""
        if self._broadcaster is None or self._scan is None or not settings.publish_tf:
            return
        key = (camera_frame, settings.scan.frame_id)
        if not camera_frame or key in self._known_frames:
            return
        self._known_frames.add(key)
        transforms = []
        scan_frame = self._scan.frame_id(camera_frame)
        if scan_frame != camera_frame:
            transforms.append(static_transform(camera_frame, scan_frame, UPRIGHT))
        for output in self._panels:
            child = output.header(Header(frame_id=camera_frame)).frame_id
            orientation = rotation_message(output.panel.rotation)
            transforms.append(static_transform(camera_frame, child, orientation))
        self._broadcaster.sendTransform(transforms)


def load_model(settings: PanoramicSettings) -> Estimator | PanelsEstimator:
    """The model of the parameters; a pinhole model runs on overlapping views.

    Raises:
        KeyError, ValueError, OSError: no such model, it does not suit, or it cannot be loaded.
    """
    if card(settings.model).camera != "pinhole":
        if not card(settings.model).is_panoptic:
            _reject_panoptic(settings)
        return load_chosen(settings, **estimator_options(settings))
    model, depth_model = card(settings.model), settings.panoptic.depth_model
    if model.is_panoptic and depth_model:
        model = paired_card(model, card(depth_model))
    model = panels_card(model)
    if not model.is_panoptic:
        _reject_panoptic(settings)
    options = estimator_options(settings, "seam", "height", "output_size")
    if settings.height and "height" not in options_of(model.name).lacks:
        options["height"] = settings.height
    pinhole = load_chosen(settings, **{**options, "output_size": "network"})
    panels = surrounding_panels(settings.height or model.default_height)
    return PanelsEstimator(pinhole, panels, output_size=settings.output_size)


def _reject_panoptic(settings: PanoramicSettings) -> None:
    """Raise ValueError if a parameter of segments is set, which the model does not find."""
    usual = PanoramicSettings()
    changed = [
        f"{group}.{item.name}"
        for group in _PANOPTIC_GROUPS
        for item in fields(getattr(usual, group))
        if getattr(getattr(settings, group), item.name) != getattr(getattr(usual, group), item.name)
    ]
    if changed:
        raise ValueError(
            f"model {settings.model} does not have {', '.join(changed)}: leave it at the default, "
            "or choose another model"
        )


def panorama_camera(
    height: int,
    width: int,
    horizontal_fov_deg: float,
    vertical_fov_deg: float,
    center_elevation_deg: float = 0.0,
) -> Equirectangular:
    """The camera of an image with these fields of view, whose middle row has this elevation.

    Raises:
        ValueError: a full panorama that is not twice as wide as high, or an image that reaches
            beyond the zenith or the nadir.
    """
    is_full = horizontal_fov_deg >= 360.0 and vertical_fov_deg >= 180.0
    if is_full and not same_aspect((height, width), (1, 2)):
        raise ValueError(
            f"the image is {width} x {height} (width x height), but a full panorama is twice as "
            "wide as high. If it is a partial panorama, set horizontal_fov_deg and "
            "vertical_fov_deg to what it sees; if it is a pinhole image, use pinhole_depth"
        )
    if abs(center_elevation_deg) + vertical_fov_deg / 2 > 90.0 + 1e-6:
        raise ValueError(
            f"an image of vertical_fov_deg {vertical_fov_deg:g} whose middle is at "
            f"center_elevation_deg {center_elevation_deg:g} reaches beyond the zenith or the nadir"
        )
    right, half, middle = (
        math.radians(angle)
        for angle in (horizontal_fov_deg / 2, vertical_fov_deg / 2, -center_elevation_deg)
    )
    return Equirectangular(height, width, -right, right, middle - half, middle + half)
