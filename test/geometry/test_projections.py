"""Cassini and cube map layouts against published sampling rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from published.cube_maps import cube_cosines, cube_to_equirectangular, equirectangular_to_cube

from depth_perception.geometry.projections import cassini_to_equirectangular


@pytest.fixture(scope="module")
def load(golden_dir):
    def load(case, name):
        return torch.from_numpy(np.load(golden_dir / "panda" / f"golden-{case}.npz")[name])

    return load


def test_cassini_picture(load):
    ours = cassini_to_equirectangular(load("cassini", "cassini_rgb").permute(2, 0, 1))
    expected = load("cassini", "erp_rgb").permute(2, 0, 1)
    assert ours.dtype == torch.uint8
    assert (ours.int() - expected.int()).abs().max() <= 1


def test_cassini_depth(load):
    ours = cassini_to_equirectangular(load("cassini", "cassini_depth"))
    torch.testing.assert_close(ours, load("cassini", "erp_depth"), atol=2e-4, rtol=2e-5)


def test_cube_picture(load):
    ours = equirectangular_to_cube(load("cubemap", "erp_rgb").permute(2, 0, 1), 16)
    expected = load("cubemap", "cube_rgb").permute(2, 0, 1)
    assert (ours.int() - expected.int()).abs().max() <= 1


def test_cube_z_depth(load):
    ranges = load("cubemap", "erp_depth")[..., 0]
    ours = equirectangular_to_cube(ranges, 16, "nearest") * cube_cosines(16)
    close = torch.isclose(ours, load("cubemap", "cube_depth")[..., 0], atol=1e-4, rtol=1e-4)
    assert close.float().mean() >= 0.995


def test_cube_to_panorama(load):
    ours = cube_to_equirectangular(load("cubemap", "cube_feat"), 32, 64)
    error = (ours - load("cubemap", "erp_feat")).abs()
    # The reference finds its longitudes in float32, which shows beside the seam behind.
    assert (error <= 1e-5).float().mean() > 0.998
    assert error.max() < 2e-5


def test_cube_there_and_back_keeps_a_smooth_picture():
    rows = torch.linspace(0, 3, 64)[:, None].sin().expand(64, 128)
    back = cube_to_equirectangular(equirectangular_to_cube(rows, 65), 64, 128)
    assert (back - rows).abs().max() < 0.02


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="twice as high as wide"):
        cassini_to_equirectangular(torch.ones(3, 32, 64))
    with pytest.raises(ValueError, match="six square faces"):
        cube_to_equirectangular(torch.ones(3, 8, 40), 16, 32)
    with pytest.raises(ValueError, match="at least 2 pixels"):
        equirectangular_to_cube(torch.ones(16, 32), 1)
