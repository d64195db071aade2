"""Rectification against the projection of OpenCV, point by point."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from depth_perception.geometry import Pinhole
from depth_perception.geometry.lens import Lens, LensModel

RAW = Pinhole(120, 160, 130.0, 126.0, 83.2, 57.9)
TARGET = Pinhole(100, 150, 110.0, 112.0, 72.6, 51.3)
TURN, _ = cv2.Rodrigues(np.array([0.05, -0.08, 0.03]))
LENSES = {
    LensModel.PLUMB_BOB: (-0.28, 0.07, 1e-3, -2e-3, 0.01),
    LensModel.RATIONAL_POLYNOMIAL: (0.4, -0.2, 1e-3, 5e-4, 0.05, 0.7, -0.1, 0.02),
    LensModel.EQUIDISTANT: (0.02, -0.01, 0.004, -0.001),
}


def raw_pixels(lens: Lens, points: np.ndarray) -> np.ndarray:
    """(N, 2) positions, pixel centres at +0.5, of points (N, 3) in the frame of the raw camera."""
    k = np.array(lens.camera.to_k()).reshape(3, 3)
    bend, zero = np.array(lens.coefficients), np.zeros(3)
    project = cv2.projectPoints
    if lens.model is LensModel.EQUIDISTANT:
        project = cv2.fisheye.projectPoints
    return project(points[:, None], zero, zero, k, bend)[0][:, 0] + 0.5


@pytest.mark.parametrize("model", LENSES)
@pytest.mark.parametrize("turn", [None, TURN], ids=["straight", "turned"])
def test_every_pixel_reads_where_its_ray_falls(model: LensModel, turn: np.ndarray | None) -> None:
    lens = Lens(RAW, model, LENSES[model])

    grid = lens.rectification(TARGET, None if turn is None else turn.ravel().tolist())

    rays = TARGET.rays(dtype=torch.float64).numpy().reshape(-1, 3)
    expected = raw_pixels(lens, rays if turn is None else rays @ turn)  # R takes raw to new
    found = torch.stack((grid.u, grid.v), -1).numpy().reshape(-1, 2)
    valid = grid.valid.numpy().ravel()
    assert valid.mean() > 0.8
    np.testing.assert_allclose(found[valid], expected[valid], atol=2e-3)
    inside = ((expected >= 0) & (expected <= [RAW.width, RAW.height])).all(1)
    assert not valid[~inside].any()


def test_rectified_picture_shows_what_the_rays_see() -> None:
    lens = Lens(RAW, LensModel.PLUMB_BOB, LENSES[LensModel.PLUMB_BOB])
    v, u = torch.meshgrid(torch.arange(120.0) + 0.5, torch.arange(160.0) + 0.5, indexing="ij")
    grid = lens.rectification(TARGET)

    seen = grid.sample(torch.stack((u, v)))

    inner = grid.valid & (grid.u > 1) & (grid.u < 159) & (grid.v > 1) & (grid.v < 119)
    assert (seen[0] - grid.u)[inner].abs().max() < 1e-2
    assert (seen[1] - grid.v)[inner].abs().max() < 1e-2
    assert (seen[:, ~grid.valid] == 0).all()


def test_rays_at_which_the_polynomial_folds_back_are_not_used() -> None:
    lens = Lens(RAW, LensModel.PLUMB_BOB, (-0.4, 0.0, 0.0, 0.0, 0.0))  # turns at r = 0.913
    wide = Pinhole(200, 400, 80.0, 80.0, 200.0, 100.0)

    grid = lens.rectification(wide)

    rays = wide.rays()
    radius = rays[..., :2].norm(dim=-1) / rays[..., 2]
    assert grid.valid[radius < 0.5].all()
    assert not grid.valid[radius > 0.92].any()


def test_identity_without_distortion() -> None:
    lens = Lens(RAW)
    assert lens.is_ideal
    grid = lens.rectification(RAW)
    image = torch.randint(0, 255, (3, 120, 160), dtype=torch.uint8)
    assert grid.valid.all()
    torch.testing.assert_close(grid.sample(image), image)


def test_a_fisheye_without_coefficients_still_bends() -> None:
    assert not Lens(RAW, LensModel.EQUIDISTANT, (0.0,) * 4).is_ideal
    grid = Lens(RAW, LensModel.EQUIDISTANT).rectification(RAW)
    assert (grid.u - (torch.arange(160.0) + 0.5)).abs().max() > 1.0


@pytest.mark.parametrize(
    ("model", "coefficients", "message"),
    [
        (LensModel.PLUMB_BOB, (0.1, 0.2, 0.3), "0 or 4 or 5 distortion coefficients, got 3"),
        (LensModel.EQUIDISTANT, (0.1,) * 5, "0 or 4 distortion coefficients, got 5"),
        (LensModel.PLUMB_BOB, (float("nan"),) * 5, "must be finite"),
    ],
)
def test_wrong_coefficients_are_refused(
    model: LensModel, coefficients: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Lens(RAW, model, coefficients)
