"""Rotation matrices, quaternions, and the frames of published point clouds.

A matrix (..., 3, 3) rotates column vectors: ``v' = R v``. Quaternions are (x, y, z, w) as in ROS.
All functions are batched, keep dtype and device, and take angles in radians.

Frames: optical (REP-103) is x right, y down, z forward; clouds of PanDA x left, y up, z forward;
OpenGL and clouds of Pixel-Perfect Depth x right, y up, z backward. All are right-handed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def about_axis(axis: str, angle: Tensor) -> Tensor:
    """Right-handed rotation by ``angle`` (...) about the axis ``"x"``, ``"y"`` or ``"z"``."""
    if axis not in ("x", "y", "z"):
        raise ValueError(f"axis must be 'x', 'y' or 'z', got {axis!r}")
    first = "xyz".index(axis)
    second, third = (first + 1) % 3, (first + 2) % 3
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.zeros(*angle.shape, 3, 3, dtype=angle.dtype, device=angle.device)
    matrix[..., first, first] = 1
    matrix[..., second, second] = cos
    matrix[..., second, third] = -sin
    matrix[..., third, second] = sin
    matrix[..., third, third] = cos
    return matrix


def axis_rotation(axis: int, angle: float) -> Tensor:
    """(3, 3) float64 right-handed rotation by ``angle`` radians about axis 0, 1 or 2."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    result = torch.eye(3, dtype=torch.float64)
    result[first, first] = result[second, second] = math.cos(angle)
    result[first, second], result[second, first] = -math.sin(angle), math.sin(angle)
    return result


def view_rotation(yaw: float, pitch: float, roll: float = 0.0) -> Tensor:
    """Matrix (3, 3) float64 from the optical frame of a rotated camera to the original frame.

    The camera turns right by ``yaw``, then up by ``pitch``, then rolls clockwise, seen from
    behind, by ``roll`` (right-handed about its y, x and z axis). Angles are in radians.
    """
    angles = torch.tensor([yaw, pitch, roll], dtype=torch.float64)
    return about_axis("y", angles[0]) @ about_axis("x", angles[1]) @ about_axis("z", angles[2])


def rigid(translation: Sequence[float], rotation: Tensor) -> Tensor:
    """(4, 4) float64 transform of a translation, metres, and a (3, 3) rotation."""
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = rotation.double()
    matrix[:3, 3] = torch.tensor(translation, dtype=torch.float64)
    return matrix


def from_quaternion(quaternion: Tensor) -> Tensor:
    """Matrix of a quaternion (..., 4) x, y, z, w, which is normalised first.

    Raises:
        ValueError: a quaternion is zero or not finite.
    """
    norm = quaternion.norm(dim=-1, keepdim=True)
    if not bool((torch.isfinite(norm) & (norm > 0)).all()):
        raise ValueError("a quaternion must be finite and not zero; the identity is (0, 0, 0, 1)")
    x, y, z, w = (quaternion / norm).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternion (..., 4) x, y, z, w with w >= 0.

    Of the four equivalent formulas the one with the largest pivot is used (Shepperd 1978).
    """
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    trace = diagonal.sum(-1, keepdim=True)
    pivots = torch.cat((1 + 2 * diagonal - trace, 1 + trace), -1)  # 4 x^2, 4 y^2, 4 z^2, 4 w^2

    def plus(i: int, j: int) -> Tensor:
        return matrix[..., i, j] + matrix[..., j, i]

    def minus(i: int, j: int) -> Tensor:
        return matrix[..., i, j] - matrix[..., j, i]

    x2, y2, z2, w2 = pivots.unbind(-1)
    xy, xz, yz = plus(0, 1), plus(0, 2), plus(1, 2)
    xw, yw, zw = minus(2, 1), minus(0, 2), minus(1, 0)
    rows = ((x2, xy, xz, xw), (xy, y2, yz, yw), (xz, yz, z2, zw), (xw, yw, zw, w2))
    products = torch.stack([torch.stack(row, -1) for row in rows], -2)  # 4 q q^T
    best = pivots.argmax(-1)[..., None, None].expand(*pivots.shape[:-1], 1, 4)
    quaternion = products.gather(-2, best).squeeze(-2)
    quaternion = quaternion / quaternion.norm(dim=-1, keepdim=True)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def optical_to_panda(points: Tensor) -> Tensor:
    """Points (..., 3) of the optical frame in the frame of PanDA; it is its own inverse."""
    x, y, z = points.unbind(-1)
    return torch.stack((-x, -y, z), -1)


def optical_to_opengl(points: Tensor) -> Tensor:
    """Points (..., 3) of the optical frame in the frame of OpenGL; it is its own inverse."""
    x, y, z = points.unbind(-1)
    return torch.stack((x, -y, -z), -1)
