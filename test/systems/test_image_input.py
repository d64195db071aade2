"""The size rule and the resampling against the originals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.reference import FOLDER, Case, case_id, cases

from depth_perception.systems.image_input import network_input, network_size


def test_size_rule() -> None:
    rows = np.load(FOLDER / "golden-size_rule.npz")["rows"]
    methods = ("lower_bound", "upper_bound", "minimal")
    assert len(rows) == 39
    for method, height, width, target_height, target_width, *expected in rows.tolist():
        size = network_size(height, width, target_height, target_width, method=methods[method])
        assert list(size) == expected


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="exact"):
        network_size(10, 10, 14, 14, method="exact")


@pytest.mark.parametrize(
    "reference", cases("run_image", "infer_image", "infer_image_dav2"), ids=case_id
)
def test_input_matches_the_original(reference: Case) -> None:
    size = tuple(reference.arrays["x"].shape[-2:])
    pixels = network_input(torch.from_numpy(reference.image), size)
    tolerance = {"atol": 2e-5, "rtol": 1e-5}
    torch.testing.assert_close(pixels, reference.arrays["x"], **tolerance)


def test_antialiasing_averages_what_vanishes() -> None:
    stripes = torch.zeros(56, 56, 3, dtype=torch.uint8)
    stripes[:, ::2] = 255
    plain = network_input(stripes, (14, 14))
    smooth = network_input(stripes, (14, 14), antialias=True)
    grey = (0.5 - 0.485) / 0.229
    assert (smooth[0, 0, :, 2:-2] - grey).abs().max() < 0.1
    assert smooth[..., 2:-2].std(-1).max() < 0.01
    assert plain.shape == smooth.shape == (1, 3, 14, 14)
