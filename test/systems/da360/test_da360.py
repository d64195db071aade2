"""DA360 from a file to a prediction, and the factor that it lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden.cases import cases
from golden.fill import noise_image
from golden.kinds.da360 import official_file

import depth_perception as dp
from depth_perception.geometry import Equirectangular
from depth_perception.scale.alignment import apply_fit, fit_prediction
from depth_perception.scale.fits import FitModel
from depth_perception.systems import CheckpointError, load_network
from depth_perception.systems.image_input import network_input

MODEL = "da360-tiny"
IMAGE = noise_image(100, 200, 6)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (case,) = cases("da360", "run_tiny_100x200")
    return official_file(case, tmp_path_factory.mktemp("da360"))


def test_the_prediction_is_inverse_range_up_to_a_factor(checkpoint: Path) -> None:
    prediction = dp.load(MODEL, checkpoint, "cpu", height=70)(IMAGE)
    assert prediction.space is dp.DepthSpace.INVERSE_DEPTH
    assert prediction.scale is dp.ScaleKind.SCALE_INVARIANT
    assert prediction.kind is dp.DepthKind.RANGE
    assert prediction.valid.all()
    torch.testing.assert_close(prediction.depth, 1 / prediction.values)
    assert prediction.points().isfinite().all()


def test_one_factor_is_recovered(checkpoint: Path) -> None:
    prediction = dp.load(MODEL, checkpoint, "cpu", height=70, output_size="input")(IMAGE)
    known = torch.where(torch.rand(100, 200) < 0.05, 2.5 * prediction.depth, torch.nan)
    fit = fit_prediction(prediction, known)
    metric = apply_fit(prediction, fit)
    assert fit.model is FitModel.SCALE
    assert fit.scale == pytest.approx(2.5, rel=1e-4)
    torch.testing.assert_close(metric.depth, 2.5 * prediction.depth)
    assert metric.is_metric


def test_the_network_sees_square_angles(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", height=70)
    assert estimator.input_size(Equirectangular(90, 150)) == (70, 140)
    assert estimator.input_size(Equirectangular.partial(50, 400, np.pi, np.pi / 2)) == (42, 70)


@pytest.mark.parametrize("kept", ["first", "second"])
def test_either_name_of_a_convolution_is_enough(
    checkpoint: Path, tmp_path: Path, kept: str
) -> None:
    state = torch.load(checkpoint)
    second = {name for name in state if ".conv." in name}
    assert len(second) == 60
    unwanted = {name.replace(".conv.", ".") for name in second} if kept == "second" else second
    torch.save({k: v for k, v in state.items() if k not in unwanted}, tmp_path / "half.pth")
    whole, half = (load_network(MODEL, path) for path in (checkpoint, tmp_path / "half.pth"))
    for one, other in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(one, other)


def test_files_of_other_networks_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint)
    name = "depth_anything.depth_head.scratch.output_conv1.conv.weight"
    torch.save({**state, name: state[name] + 1}, tmp_path / "differing.pth")
    with pytest.raises(CheckpointError, match="two names") as caught:
        load_network(MODEL, tmp_path / "differing.pth")
    assert caught.value.misshapen == (name,)
    less = {k: v for k, v in state.items() if k != "shift_mlp.norms.0.running_var"}
    torch.save({**less, "head.extra": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, tmp_path / "other.pth")
    assert caught.value.missing == ("shift_mlp.norms.0.running_var",)
    assert caught.value.unexpected == ("head.extra",)
    with pytest.raises(CheckpointError, match="of another shape"):
        load_network("da360-small", checkpoint)


def test_periodic_enlargement_is_an_option(checkpoint: Path) -> None:
    plain, circular = (
        dp.load(MODEL, checkpoint, "cpu", height=70, seam=seam)(IMAGE).values
        for seam in ("off", "circular")
    )
    assert not torch.equal(plain, circular)
    torch.testing.assert_close(plain, circular, atol=0.5, rtol=0.5)


def test_levels_are_those_of_opencv_or_nearly(checkpoint: Path) -> None:
    image = torch.from_numpy(IMAGE)
    exact = network_input(image, (70, 140), levels=True)
    with torch.device("cpu"):
        smooth = network_input(image, (70, 140))
    step = 1 / 255 / 0.224
    inside = exact.abs() < 1.5
    assert float((exact - smooth)[inside].abs().max()) < 1.1 * step
