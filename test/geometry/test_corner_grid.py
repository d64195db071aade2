"""The grid of SphericalViewSynthesis against the original."""

from __future__ import annotations

from golden.blindspot_reference import case
from published.corner_grid import clipped_weights, corner_points, longitude_weights

from depth_perception.geometry.projections import latitude_weights


def test_weights_and_points_match_the_original():
    golden = case("sphere-weights")
    latitude, longitude = latitude_weights(32), longitude_weights(32)
    golden.assert_close(latitude[None, None], "out_theta_weight")
    golden.assert_close(longitude[None, None], "out_phi_weight")
    golden.assert_close((latitude * longitude)[None, None], "out_spherical_weight")
    clipped = clipped_weights(latitude * longitude, 0.2, 0.9)
    golden.assert_close(clipped[None, None], "out_spherical_weight_thr")
    golden.assert_close(corner_points(golden.arrays["in_gt"]), "out_points")
