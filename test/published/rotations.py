"""Further forms of rotations, to check matrices and quaternions with."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.geometry.rotations import about_axis, from_quaternion, to_quaternion


def from_roll_pitch_yaw(angles: Tensor) -> Tensor:
    """Matrix of (roll, pitch, yaw) (..., 3) about the fixed x, y, z axes (URDF and tf)."""
    roll, pitch, yaw = angles.unbind(-1)
    return about_axis("z", yaw) @ about_axis("y", pitch) @ about_axis("x", roll)


def to_roll_pitch_yaw(matrix: Tensor) -> Tensor:
    """(roll, pitch, yaw) (..., 3) about the fixed axes; at pitch +-pi/2 the roll is 0."""
    cos_pitch = torch.hypot(matrix[..., 0, 0], matrix[..., 1, 0])
    pitch = torch.atan2(-matrix[..., 2, 0], cos_pitch)
    regular = cos_pitch > 1e-6
    zero = torch.zeros_like(pitch)
    roll = torch.where(regular, torch.atan2(matrix[..., 2, 1], matrix[..., 2, 2]), zero)
    yaw = torch.where(
        regular,
        torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0]),
        torch.atan2(-matrix[..., 0, 1], matrix[..., 1, 1]),
    )
    return torch.stack((roll, pitch, yaw), -1)


def from_axis_angle(vector: Tensor) -> Tensor:
    """Matrix of a rotation vector (..., 3): its direction is the axis, its length the angle."""
    half = vector.norm(dim=-1, keepdim=True) / 2
    # sin(h) / (2 h) without a division by zero: sinc(x) = sin(pi x) / (pi x)
    imaginary = vector * torch.sinc(half / torch.pi) / 2
    return from_quaternion(torch.cat((imaginary, torch.cos(half)), -1))


def to_axis_angle(matrix: Tensor) -> Tensor:
    """Rotation vector (..., 3) with a length in [0, pi]."""
    quaternion = to_quaternion(matrix)
    imaginary, real = quaternion[..., :3], quaternion[..., 3:]
    sine = imaginary.norm(dim=-1, keepdim=True)
    half = torch.atan2(sine, real)
    small = sine < 1e-9
    factor = torch.where(small, torch.full_like(sine, 2.0), 2 * half / sine.clamp_min(1e-9))
    return imaginary * factor
