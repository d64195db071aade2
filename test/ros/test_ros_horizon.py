"""Partial panoramas whose middle is not on the horizon: ``center_elevation_deg``."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.ros.nodes.panoramic import panorama_camera


@pytest.mark.parametrize(
    ("vertical_deg", "elevation_deg", "top_deg", "bottom_deg"),
    [
        (180.0, 0.0, 90.0, -90.0),
        (135.0, 22.5, 90.0, -45.0),  # without the lowest 45 degrees
        (135.0, -22.5, 45.0, -90.0),
        (60.0, 10.0, 40.0, -20.0),
        (40.0, 70.0, 90.0, 50.0),
    ],
)
def test_a_panorama_off_the_horizon(
    vertical_deg: float, elevation_deg: float, top_deg: float, bottom_deg: float
) -> None:
    rows = round(100 * vertical_deg / 180)
    camera = panorama_camera(rows, 200, 360.0, vertical_deg, elevation_deg)
    rays = camera.rays().numpy()
    elevation = np.degrees(np.arcsin(-rays[..., 1]))  # y points down
    half_pixel = vertical_deg / rows / 2
    assert elevation[0].max() == pytest.approx(top_deg - half_pixel, abs=1e-3)
    assert elevation[-1].min() == pytest.approx(bottom_deg + half_pixel, abs=1e-3)


@pytest.mark.parametrize(
    ("vertical_deg", "elevation_deg"), [(180.0, 1.0), (135.0, 23.0), (135.0, -30.0), (1.0, 90.0)]
)
def test_a_panorama_ends_at_the_zenith_and_the_nadir(
    vertical_deg: float, elevation_deg: float
) -> None:
    with pytest.raises(ValueError, match=rf"center_elevation_deg {elevation_deg:g} reaches beyond"):
        panorama_camera(100, 200, 360.0, vertical_deg, elevation_deg)
