"""The estimator of PanoLite with segments, for panoramas or for pinhole images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...depth_space import DepthKind
from ...geometry import Camera, Pinhole
from ...geometry.sampling import on_grid
from ...layers import resize_map
from ...prediction import Prediction
from ..image_input import network_size, plain_input
from ..panoptic import PanopticEstimator
from .config import STRIDE
from .estimator import on_sphere, place_of, range_maps
from .options import PanoLitePanopticOptions
from .panoptic_network import PanoLitePanoptic, PanopticMaps
from .segments import OFFSETS_PER_HEIGHT, Found, panoptic_map


class PanoLitePanopticEstimator(PanopticEstimator):
    """Segments of an image with their depth: range of panoramas, z of pinhole images.

    A panorama is placed on the full sphere, as by :class:`PanoLiteEstimator`. A pinhole image keeps
    its aspect ratio; its camera is taken to be level.
    """

    network: PanoLitePanoptic
    options: PanoLitePanopticOptions
    default_options = PanoLitePanopticOptions

    def input_size(self, camera: Camera) -> tuple[int, int]:
        height = self.options.height or self.card.default_height
        height = max(1, round(height / STRIDE)) * STRIDE
        if not isinstance(camera, Pinhole):
            return height, 2 * height
        size = (camera.height, camera.width, height, height)
        return network_size(*size, multiple=STRIDE)

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        depths = self._depths(images, cameras)
        known = [self._camera_of(camera, *images[0].shape[:2]) for camera in cameras]
        with torch.inference_mode():
            pairs = zip(images, known, strict=True)
            maps = self._forward(torch.cat([self._network_input(*pair) for pair in pairs]))
            found = []
            for index, camera in enumerate(known):
                one = PanopticMaps(*(values[index : index + 1].float() for values in maps))
                found.append(self._found(one, camera))
        # outside of inference mode, so that autograd and in-place operations accept the tensors
        predictions = []
        for index, ((values, segments, entries), camera) in enumerate(
            zip(found, known, strict=True)
        ):
            depth = self._own_depth(values.clone(), camera) if depths is None else depths[index]
            segments = on_grid(segments, *depth.values.shape).clone()
            seen = set(segments.unique().tolist())
            kept = [entry for entry in entries if entry.id in seen]
            predictions.append(self._with_segments(depth, segments, kept))
        return tuple(predictions)

    def _network_input(self, pixels: Tensor, camera: Camera) -> Tensor:
        size = self.input_size(camera)
        if not isinstance(camera, Pinhole):
            return on_sphere(pixels, camera, size[0])
        planes = plain_input(pixels, size, False, "bilinear")
        return torch.cat((planes, latitude_plane(camera.resize(*size), planes.device)), 1)

    def _found(self, maps: PanopticMaps, camera: Camera) -> tuple[Tensor, Tensor, Sequence[Found]]:
        """Maps of depth (3, h, w), segments (h, w) and their meaning, of what the image shows."""
        unit = maps.depth.shape[-2] / OFFSETS_PER_HEIGHT
        if not isinstance(camera, Pinhole):
            top, rows, columns = place_of(camera, maps.depth.shape[-2])
            maps = PanopticMaps(*(values[..., top : top + rows, :columns] for values in maps))
        segments, entries = panoptic_map(
            maps.classes[0],
            maps.centre[0, 0],
            maps.offset[0] * unit,
            self.network.config.classes,
            self.options.limits,
            wraps=camera.is_full_turn,
        )
        return range_maps(maps.depth, self.options.camera_height_m)[0], segments, entries

    def _own_depth(self, values: Tensor, camera: Camera) -> Prediction:
        if self.options.output_size == "input":
            size, align = (camera.height, camera.width), self.options.align_corners
            wraps = camera.is_full_turn
            values = resize_map(values[None], size, circular=wraps, align_corners=align)[0]
        range_m, sigma, logit = values.unbind(0)
        camera = camera.resize(*range_m.shape)
        if self.card.kind is DepthKind.Z:
            range_m = camera.convert(range_m, DepthKind.RANGE, DepthKind.Z)
        return self._predicted(range_m.contiguous(), logit > 0, camera, sigma=sigma.contiguous())


def latitude_plane(camera: Pinhole, device: torch.device | str = "cpu") -> Tensor:
    """(1, 1, H, W): angle of the rays of a level camera below the horizon, as a share of pi, plus
    0.5."""
    below = camera.rays(device=device)[..., 1].clamp(-1, 1).asin()
    return (below / math.pi + 0.5)[None, None]
