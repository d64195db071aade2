"""Rotations and frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published.rotations import (
    from_axis_angle,
    from_roll_pitch_yaw,
    to_axis_angle,
    to_roll_pitch_yaw,
)

from depth_perception.geometry import Equirectangular, rotations

angle = st.floats(-math.pi, math.pi)
vectors = st.tuples(angle, angle, angle).map(lambda v: torch.tensor(v, dtype=torch.float64))


def assert_rotation(matrix):
    identity = torch.eye(3, dtype=matrix.dtype)
    torch.testing.assert_close(matrix @ matrix.T, identity, atol=1e-9, rtol=0)
    assert torch.linalg.det(matrix).item() == pytest.approx(1)


@settings(deadline=None)
@given(vectors)
def test_every_form_returns_the_same_matrix(angles):
    matrix = from_roll_pitch_yaw(angles)
    assert_rotation(matrix)
    for there, back in (
        (rotations.to_quaternion, rotations.from_quaternion),
        (to_axis_angle, from_axis_angle),
        (to_roll_pitch_yaw, from_roll_pitch_yaw),
    ):
        torch.testing.assert_close(back(there(matrix)), matrix, atol=1e-6, rtol=0)


@settings(deadline=None)
@given(vectors)
def test_rotation_vector_is_the_matrix_exponential(vector):
    x, y, z = vector.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    expected = torch.linalg.matrix_exp(cross)
    torch.testing.assert_close(from_axis_angle(vector), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("quaternion", "turned"),
    [
        ((0, 0, 0, 1), (1, 2, 3)),
        ((0, 0, math.sqrt(0.5), math.sqrt(0.5)), (-2, 1, 3)),
        ((1, 0, 0, 0), (1, -2, -3)),
        ((0, 5, 0, 0), (-1, 2, -3)),
    ],
)
def test_quaternions_are_x_y_z_w(quaternion, turned):
    matrix = rotations.from_quaternion(torch.tensor(quaternion, dtype=torch.float64))
    vector = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert (matrix @ vector).tolist() == pytest.approx(turned)


def test_half_turns_survive_the_quaternion():
    for axis in torch.eye(3, dtype=torch.float64):
        matrix = from_axis_angle(math.pi * axis)
        quaternion = rotations.to_quaternion(matrix)
        torch.testing.assert_close(quaternion[:3].abs(), axis, atol=1e-9, rtol=0)


def test_gimbal_lock_keeps_the_matrix():
    for pitch in (math.pi / 2, -math.pi / 2):
        angles = torch.tensor([0.4, pitch, 0.9], dtype=torch.float64)
        matrix = from_roll_pitch_yaw(angles)
        back = to_roll_pitch_yaw(matrix)
        torch.testing.assert_close(from_roll_pitch_yaw(back), matrix)


def test_fixed_axes_as_in_tf():
    yaw_only = from_roll_pitch_yaw(torch.tensor([0.0, 0.0, math.pi / 2]))
    assert (yaw_only @ torch.tensor([1.0, 0.0, 0.0])).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    both = from_roll_pitch_yaw(torch.tensor([math.pi / 2, 0.0, math.pi / 2]))
    assert (both @ torch.tensor([0.0, 1.0, 0.0])).tolist() == pytest.approx([0, 0, 1], abs=1e-6)


def test_view_turns_right_and_up():
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    right = rotations.view_rotation(math.pi / 2, 0) @ forward
    up = rotations.view_rotation(0, math.pi / 2) @ forward
    both = rotations.view_rotation(math.pi / 2, math.pi / 4) @ forward
    assert right.tolist() == pytest.approx([1, 0, 0], abs=1e-12)
    assert up.tolist() == pytest.approx([0, -1, 0], abs=1e-12)
    assert both.tolist() == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5), 0], abs=1e-12)


def test_batches_keep_shape_and_dtype():
    quaternions = torch.randn(4, 5, 4, generator=torch.Generator().manual_seed(0))
    matrices = rotations.from_quaternion(quaternions)
    assert matrices.shape == (4, 5, 3, 3)
    assert matrices.dtype == torch.float32
    unit = quaternions / quaternions.norm(dim=-1, keepdim=True)
    unit = torch.where(unit[..., 3:] < 0, -unit, unit)
    torch.testing.assert_close(rotations.to_quaternion(matrices), unit, atol=1e-5, rtol=0)
    assert to_axis_angle(matrices).shape == (4, 5, 3)
    assert to_roll_pitch_yaw(matrices).shape == (4, 5, 3)


@pytest.mark.parametrize("bad", [(0.0, 0.0, 0.0, 0.0), (math.nan, 0.0, 0.0, 1.0)])
def test_impossible_quaternions_are_refused(bad):
    with pytest.raises(ValueError, match="identity is"):
        rotations.from_quaternion(torch.tensor(bad))


def test_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="'x', 'y' or 'z'"):
        rotations.about_axis("w", torch.tensor(1.0))


def test_opengl_frame():
    right_down_forward = torch.tensor([1.0, 2.0, 3.0])
    assert rotations.optical_to_opengl(right_down_forward).tolist() == [1, -2, -3]
    back = rotations.optical_to_opengl(rotations.optical_to_opengl(right_down_forward))
    torch.testing.assert_close(back, right_down_forward)


def test_official_point_cloud(golden_dir):
    golden = np.load(golden_dir / "panda" / "golden-pointcloud.npz")
    depth = torch.from_numpy(golden["depth"])
    points = Equirectangular(*depth.shape).unproject(depth)
    ours = rotations.optical_to_panda(points)
    tolerance = {"atol": 1e-6, "rtol": 1e-5}
    torch.testing.assert_close(ours.reshape(-1, 3), torch.from_numpy(golden["xyz"]), **tolerance)
    masked = ours[torch.from_numpy(golden["mask"])]
    torch.testing.assert_close(masked, torch.from_numpy(golden["xyz_masked"]), **tolerance)
    torch.testing.assert_close(rotations.optical_to_panda(ours), points)
