"""Small images of synthetic worlds, rendered once, and their depth samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...geometry import Camera, Equirectangular, Pinhole
from ..worlds import World, make_world, render
from ..worlds.folder import frame_pose

PANORAMA = (32, 64)
SMALL = (48, 64)
_FOV = math.radians(80)


@dataclass(frozen=True, eq=False)
class Scene:
    """An image with ground truth; a frame as returned by readers.

    Attributes:
        rgb: (3, H, W) uint8.
        range_m, depth_m: (H, W) float32 metres, along the ray and the optical axis, 0 if unknown.
        camera: camera of the image.
    """

    rgb: Tensor
    range_m: Tensor
    depth_m: Tensor
    camera: Camera


@lru_cache(maxsize=64)
def panorama(kind: str, seed: int, height: int = PANORAMA[0]) -> Scene:
    """Render a full panorama of a world."""
    return _rendered(kind, seed, Equirectangular(height, 2 * height))


@lru_cache(maxsize=64)
def photo(kind: str, seed: int, size: tuple[int, int] = SMALL) -> Scene:
    """Render the image of a pinhole camera in a world."""
    return _rendered(kind, seed, Pinhole.from_fov(*size, _FOV))


def enlarged(scene: Scene, size: tuple[int, int]) -> Scene:
    """The scene with repeated pixels, for protocols that require large images."""
    height, width = scene.depth_m.shape
    rows = torch.arange(size[0]) * height // size[0]
    columns = torch.arange(size[1]) * width // size[1]
    maps = (m[..., rows, :][..., columns] for m in (scene.rgb, scene.range_m, scene.depth_m))
    return Scene(*maps, scene.camera.resize(*size))


def depth_steps(depth_m: Tensor, per_metre: float) -> np.ndarray:
    """Depth (H, W) as 16-bit samples, 0 where it is unknown or out of range."""
    samples = (depth_m.double() * per_metre).round().numpy()
    return np.where(samples <= 65534, samples, 0).astype(np.uint16)


@lru_cache(maxsize=16)
def _world(kind: str, seed: int) -> World:
    return make_world(kind, seed)


def _rendered(kind: str, seed: int, camera: Camera) -> Scene:
    world = _world(kind, seed)
    frame = render(world, camera, frame_pose(world, 0, 1), shadows=False)
    known = torch.isfinite(frame.range_m)
    range_m = torch.where(known, frame.range_m, 0)
    depth_m = torch.where(known & (frame.z_m > 0), frame.z_m, 0)
    return Scene(frame.rgb.permute(2, 0, 1).contiguous(), range_m, depth_m, camera)
