"""Möbius warps against PanDA's published code, and what such a warp must keep."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published.panoramas import mobius_warp, rotate_panorama

from depth_perception.geometry import Equirectangular, Mobius
from depth_perception.geometry.mobius import mobius_grid
from depth_perception.geometry.rotations import view_rotation

HEIGHT, WIDTH = 28, 56
CASES = {
    "id": Mobius(),
    "roll10": Mobius(theta=math.radians(10)),
    "roll20": Mobius(theta=math.radians(20)),
    "zoom2": Mobius(scale=2.0),
    "zoom3": Mobius(scale=3.0),
    "yaw": Mobius(phi=1.0),
    "mix": Mobius(theta=-0.12, phi=2.2, scale=1.35),
}
COMPARED = [(name, "equator") for name in CASES] + [("zoom2", "north"), ("mix", "north")]


@pytest.fixture(scope="module")
def golden(golden_dir):
    return np.load(golden_dir / "panda" / "golden-mobius.npz")


@pytest.mark.parametrize(("name", "pole"), COMPARED)
def test_sampling_positions(golden, name, pole):
    grid = mobius_grid(HEIGHT, WIDTH, CASES[name], pole)
    row = (grid.v / HEIGHT * 2 - 1).numpy().ravel()
    column = (grid.u / WIDTH * 2 - 1).numpy().ravel()
    expected_row, expected_column = golden[f"coord_{name}_{pole.capitalize()}"][0].T
    around = (column - expected_column + 1) % 2 - 1
    assert np.abs(row - expected_row).max() < 2e-6
    # The reference is float32: near a pole its longitude is less sure, its direction is not.
    assert np.abs(around * np.cos(row * math.pi / 2)).max() < 2e-6
    assert np.abs(around).max() < 3e-6


@pytest.mark.parametrize(("name", "pole"), COMPARED)
@pytest.mark.parametrize("what", ["image", "depth"])
def test_nearest_warp(golden, name, pole, what):
    warped = mobius_warp(torch.from_numpy(golden[what]), CASES[name], pole=pole)
    differs = warped.numpy() != golden[f"{what}_{name}_{pole.capitalize()}"]
    assert differs.mean() <= 0.005


@pytest.mark.parametrize(
    ("number", "vertical_res", "zoom_res"), [(0, 18, 0.5), (1, 18, 0.5), (2, 0, 0.1), (3, 20, 0.1)]
)
def test_random_parameters_follow_the_published_order(golden, number, vertical_res, zoom_res):
    drawn = Mobius.random(Random(number), vertical_res, zoom_res)
    expected = golden[f"random_{number}_re"] + 1j * golden[f"random_{number}_im"]
    np.testing.assert_allclose(np.array(drawn.matrix), expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.floats(-3, 3), st.floats(-7, 7), st.floats(0.2, 5), st.sampled_from(["equator", "north"]))
def test_directions_stay_on_the_sphere_and_scale_alone_returns(theta, phi, scale, pole):
    rays = Equirectangular(9, 18).rays(dtype=torch.float64)
    source = Mobius(theta, phi, scale).source_directions(rays, pole)
    torch.testing.assert_close(source.norm(dim=-1), torch.ones(9, 18, dtype=torch.float64))
    there = Mobius(scale=scale).source_directions(rays, pole)
    back = Mobius(scale=1 / scale).source_directions(there, pole)
    torch.testing.assert_close(back, rays, atol=1e-9, rtol=0)


def test_the_poles_of_the_projection_are_no_exception():
    fixed = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    source = Mobius(theta=0.3, scale=2.0).source_directions(fixed)
    torch.testing.assert_close(source, fixed, atol=1e-12, rtol=0)


def test_without_zoom_it_is_a_rotation():
    image = torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(0))
    camera = Equirectangular(32, 64)
    yaw = mobius_warp(image, Mobius(phi=0.8), "bilinear")
    torch.testing.assert_close(yaw, rotate_panorama(image, camera, view_rotation(0.8, 0)))
    roll = mobius_warp(image, Mobius(theta=0.3), "bilinear")
    torch.testing.assert_close(roll, rotate_panorama(image, camera, view_rotation(0, 0, 0.3)))


def test_zoom_magnifies_the_centre():
    rays = Equirectangular(64, 128).rays(dtype=torch.float64)
    beside = rays[32, 66]
    angle = torch.atan2(*beside[[0, 2]])
    source = Mobius(scale=2.0).source_directions(beside)
    assert (angle / torch.atan2(*source[[0, 2]])).item() == pytest.approx(2, rel=0.01)


def test_batches_are_warped_alike():
    batch = torch.rand(2, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    transformation = Mobius(0.1, 1.0, 1.2)
    for image, warped in zip(batch, mobius_warp(batch, transformation), strict=True):
        assert torch.equal(warped, mobius_warp(image, transformation))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="scale must be positive"):
        Mobius(scale=0.0)
    with pytest.raises(ValueError, match="'equator' or 'north'"):
        mobius_warp(torch.ones(4, 8), Mobius(), pole="south")
