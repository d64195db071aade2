"""Cube maps by the sampling rules of the data readers of PanDA."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.geometry import Equirectangular, SamplingGrid
from depth_perception.geometry.sampling import Mode, read_bilinear

CUBE_FACES = ("front", "right", "back", "left", "up", "down")


def equirectangular_to_cube(image: Tensor, face_width: int, mode: Mode = "bilinear") -> Tensor:
    """Six cube faces (..., w, 6 w) side by side, in the order of :data:`CUBE_FACES`.

    The border samples of neighbouring faces are the same direction. Image (..., H, W) is a full
    panorama. Values are carried over unchanged: for the z-depth of a face multiply range by
    :func:`cube_cosines`.
    """
    if face_width < 2:
        raise ValueError(f"a cube face needs at least 2 pixels, got {face_width}")
    source = Equirectangular(*image.shape[-2:])
    grid = SamplingGrid.of(source, _cube_directions(face_width)).to(image.device)
    return grid.sample(image, mode)


def cube_cosines(face_width: int) -> Tensor:
    """Cosine (w, 6 w) float32 between each sample's direction and the axis of its face."""
    return (1 / _cube_directions(face_width).norm(dim=-1)).float()


def cube_to_equirectangular(cube: Tensor, height: int, width: int) -> Tensor:
    """A full panorama (..., height, width) from six faces (..., w, 6 w), bilinear in each face.

    Raises:
        ValueError: the cube is not six squares side by side.
    """
    face_width = cube.shape[-2]
    if cube.shape[-1] != 6 * face_width:
        raise ValueError(f"six square faces side by side expected, got {tuple(cube.shape[-2:])}")
    rays = Equirectangular(height, width).rays(dtype=torch.float64)
    axes = _face_axes().flip(1)  # forward, down, right of each face
    forward, down, right = torch.einsum("hwc,fac->afhw", rays, axes)
    face = forward.argmax(0)
    panorama = torch.zeros(*cube.shape[:-2], height, width, dtype=cube.dtype, device=cube.device)
    for index, part in enumerate(cube.split(face_width, -1)):
        grid = torch.stack((right[index], down[index]), -1) / forward[index, ..., None]
        samples = read_bilinear(part, grid.clamp(-1, 1), on_borders=True).to(cube.dtype)
        panorama = torch.where((face == index).to(cube.device), samples, panorama)
    return panorama


def _face_axes() -> Tensor:
    """Right, down and forward axis of each face in the optical frame, (6, 3, 3) float64."""
    right, down, ahead = torch.eye(3, dtype=torch.float64)
    return torch.stack(
        [
            torch.stack(axes)
            for axes in (
                (right, down, ahead),
                (-ahead, down, right),
                (-right, down, -ahead),
                (ahead, down, -right),
                (right, ahead, -down),
                (right, -ahead, down),
            )
        ]
    )


def _cube_directions(face_width: int) -> Tensor:
    """Directions (w, 6 w, 3) float64 of the samples; 1 along the axis of their face."""
    steps = torch.linspace(-1, 1, face_width, dtype=torch.float64)
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    plane = torch.stack((right, down, torch.ones_like(right)), -1)
    return torch.einsum("hwa,fac->hfwc", plane, _face_axes()).reshape(face_width, -1, 3)
