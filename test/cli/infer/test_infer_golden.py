"""Files of the command against those of PanDA's ``run_image.py``.

Colours are compared through their index in the colour map. Where the original is broken, ours is
the repaired behaviour: red and blue of a cloud are not swapped, and pictures that are not 2:1 are
taken with ``--fov`` and at the size of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from depth_perception.io.colormaps import PUBLISHED_COLORMAP, colourise
from depth_perception.io.images import read_image, write_image
from depth_perception.io.ply import read_ply

Infer = Callable[..., int]
CASES = {
    "tiny_100x200": ("tiny", 100, 200, 6, 70),
    "small_100x200": ("small", 100, 200, 6, 70),
    "tiny_90x150_h64": ("tiny", 90, 150, 7, 64),
}
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.fixture(scope="module", params=list(CASES))
def case(
    request: pytest.FixtureRequest,
    fill: ModuleType,
    golden_dir: Path,
    golden_checkpoint: Callable[[str, int], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Arguments for the picture of a case, and its reference arrays."""
    size, height, width, seed, rows = CASES[request.param]
    source = tmp_path_factory.mktemp("case") / "noise.png"
    write_image(source, fill.noise_image(height, width, seed))
    checkpoint = golden_checkpoint(f"panda_{size}", 0)
    options = ["--model", f"panda-{size}", "--checkpoint", str(checkpoint), "--height", str(rows)]
    options += ["--seam", "off", "--palette", "published"]
    if width != 2 * height:
        options += ["--fov", "360", "180"]
    with np.load(golden_dir / "panda" / f"golden-run_image_{request.param}.npz") as arrays:
        return [str(source), *options], dict(arrays)


def gray_of(colours: np.ndarray) -> np.ndarray:
    """Index (H, W) of each RGB colour in the colour map."""
    table = colourise(np.arange(256, dtype=np.uint8), PUBLISHED_COLORMAP).astype(int)
    distance = np.abs(colours[:, :, None].astype(int) - table).sum(-1)
    assert (distance.min(-1) == 0).all()
    return distance.argmin(-1)


def assert_gray(actual: np.ndarray, expected: np.ndarray) -> None:
    """At most one step apart, and on no more than 0.5 % of the pixels."""
    difference = np.abs(actual.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.005


@pytest.mark.parametrize("resize", [False, True], ids=["network", "input"])
def test_picture_and_numbers(
    tmp_path: Path,
    infer: Infer,
    case: tuple[list[str], dict[str, np.ndarray]],
    resize: bool,
) -> None:
    arguments, golden = case
    tail, option = ("_resized", ["--resize"]) if resize else ("", [])
    expected = golden["depth_resized"] if resize else golden["pred_depth"][0, 0]
    out = tmp_path / "out"

    assert infer(*arguments, *option, "--raw", "npy") == 0
    np.testing.assert_allclose(np.load(out / "noise_values.npy"), expected, **CLOSE)
    panel = read_image(out / "noise.png")
    width = expected.shape[1]
    assert_gray(gray_of(panel[:, width + 50 :]), golden[f"gray{tail}"])
    if f"panel{tail}_bgr" in golden:
        reference = golden[f"panel{tail}_bgr"][..., ::-1]
        assert panel.shape == reference.shape
        np.testing.assert_array_equal(panel[:, : width + 50], reference[:, : width + 50])
    np.testing.assert_array_equal(
        colourise(golden[f"gray{tail}"], PUBLISHED_COLORMAP), golden[f"color_bgr{tail}"][..., ::-1]
    )

    assert infer(*arguments, *option, "--pred-only", "--grayscale") == 0
    gray = read_image(out / "noise.png")
    assert gray.shape == (*expected.shape, 3)
    assert_gray(gray[..., 0], golden[f"gray{tail}"])


def test_cloud(tmp_path: Path, infer: Infer, case: tuple[list[str], dict[str, np.ndarray]]) -> None:
    arguments, golden = case
    assert infer(*arguments, "--save-cloud", "--allow-bent-cloud") == 0
    points, colours = read_ply(tmp_path / "out" / "noise.ply")
    assert len(points) == golden["pred_depth"].size == len(colours)
    if "cloud_xyz" in golden:
        np.testing.assert_allclose(points, golden["cloud_xyz"], **CLOSE)
        swapped = np.rint(golden["cloud_rgb"] * 255).astype(np.uint8)
        np.testing.assert_array_equal(colours, swapped[:, ::-1])
    else:  # the original pairs points and colours of different sizes here
        image = cv2.resize(read_image(arguments[0]), (140, 70), interpolation=cv2.INTER_CUBIC)
        np.testing.assert_array_equal(colours, image.reshape(-1, 3))
