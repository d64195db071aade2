"""Panoramic depth by a pinhole model that runs on overlapping views (panels) of a panorama."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ..geometry import Camera, DepthKind, Equirectangular, Panel
from ..geometry.camera import same_aspect
from ..geometry.panel_lines import PanelValues, agreeing_lines
from ..geometry.panel_merge import PanelDepth, merge_panels, surrounding_panels
from ..geometry.segment_boxes import box_columns, segment_boxes
from ..geometry.segment_merge import Member, PanelSegments, merge_segments
from ..prediction import DepthSpace, Instance, Prediction, ScaleKind, Scene
from .card import panels_card
from .estimator import Estimator
from .options import OutputSize

_COMPARED_PER_RAD = 30  # rays along which panels of unknown shift are compared


class PanelsEstimator:
    """Runs a pinhole estimator on panels of a panorama and merges the predictions.

    Each panel may have a scale of its own: all are converted to a joint scale, fitted where panels
    overlap. So are scales and shifts of models that lack both, see
    :func:`~depth_perception.geometry.panel_lines.agreeing_lines`; the result then lacks one scale.
    An instance of a panoptic model that is found in several panels is merged, see
    :func:`~depth_perception.geometry.segment_merge.merge_segments`.

    Args:
        estimator: a pinhole model with depth.
        panels: the views; None covers the full sphere at the model's own resolution, see
            :func:`~depth_perception.geometry.panel_merge.surrounding_panels`.
        output_size: ``input`` returns the grid of the image, ``network`` one as dense as the panels
            in their middle, but not denser than the image.
        joint_scale: if False, each panel keeps its own scale and depth has steps where panels end;
            of no effect on models of unknown shift.

    Attributes:
        card: that of the model, for equirectangular images and range.

    Raises:
        ValueError: a panoramic model, one without depth, or no panels.
    """

    def __init__(
        self,
        estimator: Estimator,
        panels: Sequence[Panel] | None = None,
        *,
        joint_scale: bool = True,
        output_size: OutputSize = "network",
    ) -> None:
        self.card = panels_card(estimator.card)
        if output_size not in get_args(OutputSize):
            raise ValueError(
                f"output_size must be one of {', '.join(get_args(OutputSize))}, got {output_size!r}"
            )
        if panels is not None and not panels:
            raise ValueError("panels must name at least one panel, or be None to look everywhere")
        self.pinhole = estimator
        self.panels = tuple(panels or surrounding_panels(self.card.default_height))
        self.joint_scale = joint_scale
        self.output_size = output_size

    def with_model_options(self, **changes: object) -> PanelsEstimator:
        """The same panels with other options of the model, see :meth:`Estimator.with_options`."""
        return PanelsEstimator(
            self.pinhole.with_options(**changes),
            self.panels,
            joint_scale=self.joint_scale,
            output_size=self.output_size,
        )

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self.pinhole.device

    def __call__(self, image: np.ndarray | Tensor, camera: Camera | None = None) -> Prediction:
        """Range of one panorama.

        Args:
            image: (H, W, 3) uint8 RGB.
            camera: its pixel grid; None is the full sphere of a 2:1 image.

        Returns:
            Range; pixels outside all panels are not valid. ``scene`` has the mean of the panels'
            scales and class probabilities, if the model returns them. Panoptic models also return
            ``segments`` and ``instances``, whose boxes may cross the right border of a full turn.
            Panels without depth (Pixel-Perfect Depth whose fit was rejected) are ignored; if there
            are no others, the result is not metric and ``note`` contains the reason.

        Raises:
            TypeError, ValueError: as :meth:`Estimator.__call__`.
        """
        pixels = torch.as_tensor(
            np.ascontiguousarray(image) if isinstance(image, np.ndarray) else image
        )
        camera = _checked(camera, tuple(pixels.shape))
        pixels = pixels.to(self.device)
        with torch.inference_mode():
            planes = pixels.permute(2, 0, 1)
            found = []
            for panel in self.panels:
                view = panel.cut_image(planes, camera).permute(1, 2, 0).contiguous()
                found.append(self.pinhole(view, panel.camera))
            grid = self._grid(camera)
            if self._is_affine:
                parts = self._lined(found, grid)
                merged = merge_panels(parts, grid, joint_scale=False)
                has_depth = any(bool(part.valid.any()) for part in parts)
            else:
                parts = list(map(self._part, self.panels, found))
                merged = merge_panels(parts, grid, joint_scale=self.joint_scale)
                has_depth = any(said.scale is self.card.scale for said in found)
            joined = None
            if self.card.is_panoptic:
                joined = merge_segments(list(map(_segments_of, self.panels, found)), grid)
        # outside of inference mode, so that autograd and in-place operations accept the tensors
        segments, instances = None, ()
        if joined is not None:
            segments = joined.segments.clone()
            instances = _instances(segments, joined.members, found, grid)
        return Prediction(
            values=merged.range_m.clone(),
            valid=merged.valid.clone(),
            camera=grid,
            kind=DepthKind.RANGE,
            space=DepthSpace.DEPTH,
            scale=self.card.scale if has_depth else ScaleKind.SCALE_INVARIANT,
            scene=_scene([said.scene for said in found], merged.factors.tolist()),
            segments=segments,
            instances=instances,
            note="" if has_depth else self._why_none(found),
        )

    def _part(self, panel: Panel, said: Prediction) -> PanelDepth:
        """Panels without a scale from the network are excluded from the joint scale."""
        has_depth = said.scale is self.card.scale
        values, valid = (said.depth if has_depth else said.values), said.valid & has_depth
        trust = float(has_depth and not (said.scene is not None and said.scene.is_at_floor))
        return PanelDepth(panel, values, valid, said.camera, said.kind, trust)

    def _grid(self, camera: Equirectangular) -> Equirectangular:
        if self.output_size == "input":
            return camera
        density = max(panel.camera.fx for panel in self.panels)  # pixels for each radian
        height = min(camera.height, max(1, round(camera.vertical_fov * density)))
        width = min(camera.width, max(1, round(camera.horizontal_fov * density)))
        return camera.resize(height, width)

    @property
    def _is_affine(self) -> bool:
        return self.pinhole.card.scale is ScaleKind.AFFINE_INVARIANT

    def _why_none(self, found: Sequence[Prediction]) -> str:
        if self._is_affine:
            return "the panels do not overlap, or do not agree on depth where they do"
        return f"no panel is metric: {found[0].note}"

    def _lined(self, found: Sequence[Prediction], grid: Equirectangular) -> list[PanelDepth]:
        """Panels of unknown scale and shift, after the lines through which they agree on what the
        image shows."""
        space = found[0].space
        values = [
            PanelValues(panel, said.values, said.valid, said.camera)
            for panel, said in zip(self.panels, found, strict=True)
        ]
        rows = min(grid.height, max(8, round(_COMPARED_PER_RAD * grid.vertical_fov)))
        columns = min(grid.width, max(8, round(_COMPARED_PER_RAD * grid.horizontal_fov)))
        lines = zip(*agreeing_lines(values, space, grid.resize(rows, columns)), strict=True)
        parts = []
        for part, (scale, shift) in zip(values, lines, strict=True):
            linear = float(scale) * part.values.float() + float(shift)
            valid = part.valid & (linear > 0)
            z = space.to_depth(torch.where(valid, linear, 1.0))
            parts.append(PanelDepth(part.panel, z, valid, part.camera))
        return parts

    def warm_up(self, height: int, width: int, camera: Camera | None = None) -> None:
        """Run once on a black image of this size, so that the first real image is not slower."""
        self(torch.zeros((height, width, 3), dtype=torch.uint8), camera)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _checked(camera: Camera | None, shape: tuple[int, ...]) -> Equirectangular:
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ValueError(f"image must be (height, width, 3) RGB with pixels, got shape {shape}")
    height, width = shape[:2]
    if camera is None:
        if not same_aspect((height, width), (1, 2)):
            raise ValueError(
                f"the image is {width} x {height}, but a full panorama is twice as wide as high: "
                "give the camera of a part of the sphere"
            )
        return Equirectangular(height, width)
    if not isinstance(camera, Equirectangular) or (camera.height, camera.width) != (height, width):
        raise ValueError(
            f"panels need an Equirectangular camera of {width} x {height} pixels, got {camera}"
        )
    return camera


def _scene(scenes: Sequence[Scene | None], factors: Sequence[float]) -> Scene | None:
    told = [(scene, factor) for scene, factor in zip(scenes, factors, strict=True) if scene]
    if not told:
        return None
    logs = [math.log(scene.scale_m * factor) for scene, factor in told]
    rows = [scene.class_probabilities for scene, _ in told]
    return Scene(
        scale_m=math.exp(sum(logs) / len(logs)),
        is_at_floor=all(scene.is_at_floor for scene, _ in told),
        class_probabilities=tuple(sum(column) / len(rows) for column in zip(*rows, strict=True)),
        class_names=told[0][0].class_names,
    )


def _instances(
    segments: Tensor,
    members: Sequence[Sequence[Member]],
    found: Sequence[Prediction],
    camera: Equirectangular,
) -> tuple[Instance, ...]:
    """The instances of merged segments, with boxes that may cross the right border.

    A score is the mean of those of the parts in ``found``, weighted by their number of pixels.
    """
    ids = range(1, len(members) + 1)
    boxes = segment_boxes(segments, ids, wraps=camera.is_full_turn)
    instances = []
    for number, parts, box in zip(ids, members, boxes, strict=True):
        said = [found[member.part].instances[member.place] for member in parts]
        areas = [member.area_px for member in parts]
        score = sum(s.score * area for s, area in zip(said, areas, strict=True)) / sum(areas)
        columns = box_columns(box, camera.width, segments.device)
        mask = segments[box[1] : box[3], columns] == number
        instances.append(replace(said[0], id=number, score=score, box=box, mask=mask))
    return tuple(instances)


def _segments_of(panel: Panel, said: Prediction) -> PanelSegments:
    if said.segments is None:
        raise ValueError(f"the model found no segments in panel {panel.name}: is it panoptic?")
    found = said.instances
    ids, classes = tuple(i.id for i in found), tuple(i.class_id for i in found)
    things = tuple(i.is_thing for i in found)
    return PanelSegments(panel, said.segments, said.camera, ids, classes, things)
