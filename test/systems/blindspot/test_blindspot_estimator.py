"""The blind-spot VGG from a file to a prediction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.blindspot_reference import case
from golden.fill import noise_image
from systems.blindspot.test_blindspot_network import network_of

import depth_perception as dp
from depth_perception.scale.alignment import apply_fit, fit_prediction
from depth_perception.systems import (
    BlindSpotEstimator,
    BlindSpotOptions,
    BlindSpotPinholeEstimator,
    BlindSpotPinholeOptions,
    build_network,
    card,
    save_network,
)

MODEL = "blindspot-tiny"
PANORAMA = noise_image(64, 128, 0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network(MODEL)
    for head in network.heads:  # a spread of disparities as a trained network has
        torch.nn.init.normal_(head.weight, std=0.1)
    path = tmp_path_factory.mktemp("blindspot") / "tiny.safetensors"
    save_network(network, path)
    return path


def test_the_way_of_the_authors_gives_their_depth() -> None:
    golden = case("vgg-evaluate-50x400")
    options = golden.options
    size = (options["input_height"], options["input_width"])
    options = BlindSpotOptions(authors_size=size, output_size="input")
    estimator = BlindSpotEstimator(card("blindspot-vgg"), network_of(golden), options=options)
    prediction = estimator(golden.pictures()[0])
    golden.assert_close(prediction.values, "out_depth", rtol=1e-4)
    assert prediction.is_metric
    assert prediction.valid.all()
    assert prediction.camera.is_full_turn


def test_a_panorama_is_seen_around_the_horizon(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", output_size="input")
    assert isinstance(estimator, BlindSpotEstimator)
    prediction = estimator(PANORAMA)
    assert prediction.camera == dp.Equirectangular(64, 128)
    assert prediction.kind is dp.DepthKind.RANGE
    rows = prediction.valid.any(1).nonzero()[:, 0]
    assert prediction.valid[rows].all()
    latitudes = (rows + 0.5) / 64 * 180 - 90
    assert -19 < latitudes[0] < -13
    assert 35 < latitudes[-1] < 41
    whole = dp.load(MODEL, checkpoint, "cpu", latitudes_deg=None, output_size="input")(PANORAMA)
    assert whole.valid.all()
    points = prediction.points()
    assert torch.isfinite(points[prediction.valid]).all()
    assert torch.isnan(points[~prediction.valid]).all()


@pytest.mark.parametrize("size", ["input", "network"])
def test_turning_the_panorama_turns_the_prediction(checkpoint: Path, size: str) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", output_size=size)
    picture = noise_image(96, 192, 1)  # 256 columns in the network, so 48 here are 64 there
    plain, turned = estimator(picture), estimator(np.roll(picture, 48, 1))
    columns = plain.values.shape[1] // 4
    torch.testing.assert_close(turned.values, plain.values.roll(columns, 1), atol=1e-5, rtol=1e-5)
    with_zeros = estimator.with_options(seam="off", flip=False)
    plain, turned = with_zeros(picture), with_zeros(np.roll(picture, 48, 1))
    assert (turned.values - plain.values.roll(columns, 1)).abs().max() > 1e-4


def test_mirroring_the_panorama_mirrors_the_prediction(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu")
    plain, mirrored = estimator(PANORAMA), estimator(PANORAMA[:, ::-1])
    torch.testing.assert_close(mirrored.values, plain.values.flip(1), atol=1e-5, rtol=1e-5)


def test_partial_panoramas(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu", output_size="input")
    camera = dp.Equirectangular.partial(50, 130, math.radians(130), math.radians(50))
    prediction = estimator(PANORAMA[:50, :128].repeat(2, 1)[:, :130], camera)
    assert prediction.camera == camera
    # 50 degrees around the horizon reach beyond the crop above it, not below
    assert not prediction.valid[0].any()
    assert prediction.valid[-1].all()
    assert estimator.input_size(camera) == (64, 128)
    network = estimator.with_options(output_size="network")(
        PANORAMA[:50, :128].repeat(2, 1)[:, :130], camera
    )
    assert network.values.shape == (round(92 / 130 * 50 / 0.7191), 92)
    sky = dp.Equirectangular(20, 128, latitude_max=-math.radians(60))
    with pytest.raises(ValueError, match="latitudes_deg"):
        estimator(PANORAMA[:20], sky)
    with pytest.raises(ValueError, match="a part of the sphere"):
        estimator(PANORAMA[:20])


def test_formulas_and_baseline(checkpoint: Path) -> None:
    plain = dp.load(MODEL, checkpoint, "cpu")
    relative = plain.with_options(formula="relative")(PANORAMA)
    assert relative.space is dp.DepthSpace.INVERSE_DEPTH
    assert relative.scale is dp.ScaleKind.SCALE_INVARIANT
    disparity = relative.values
    for formula, factor in (
        ("authors", 0.472 * 256 / 128),
        ("consistent", 0.472 * 256 / (2 * math.pi * 512)),
        ("training", 0.472 / math.radians(82.5)),
    ):
        prediction = plain.with_options(formula=formula)(PANORAMA)
        torch.testing.assert_close(prediction.depth, factor / disparity)
        assert prediction.is_metric
    longer = plain.with_options(baseline_m=0.944)(PANORAMA)
    torch.testing.assert_close(longer.depth, 2 * plain(PANORAMA).depth)
    own = plain.with_options(formula="training", training_fov_deg=360.0, baseline_m=0.26)
    torch.testing.assert_close(own(PANORAMA).depth, 0.26 / (2 * math.pi) / disparity)


def test_scale_recovery_finds_the_metres(checkpoint: Path) -> None:
    relative = dp.load(MODEL, checkpoint, "cpu", formula="relative")(PANORAMA)
    truth = 0.7 / relative.values
    fit = fit_prediction(relative, truth)
    metric = apply_fit(relative, fit)
    torch.testing.assert_close(metric.depth[relative.valid], truth[relative.valid])


def test_pinhole_images(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = dp.load(MODEL, checkpoint, "cpu", output_size="input").network
    model = card("blindspot-vgg-rectilinear")
    estimator = BlindSpotPinholeEstimator(
        model, network, options=BlindSpotPinholeOptions(output_size="input")
    )
    picture = noise_image(60, 100, 2)
    camera = dp.Pinhole(60, 100, 70.0, 70.0, 50.0, 30.0)
    prediction = estimator(picture, camera)
    assert prediction.kind is dp.DepthKind.Z
    assert prediction.camera == camera
    disparity = estimator.with_options(formula="relative")(picture, camera)
    assert disparity.scale is dp.ScaleKind.SCALE_INVARIANT
    torch.testing.assert_close(prediction.depth, 0.7 * 0.5327 / disparity.values)
    assumed = estimator(picture)
    assert "no camera" in caplog.text
    assert assumed.camera.fx == pytest.approx(58.09)
    small = estimator.with_options(output_size="network")(picture, camera)
    assert small.values.shape == (256, 512) == estimator.input_size(camera)
    # mirrored, the outer twentieths come from one run alone
    merged = estimator.with_options(flip=True)
    left = merged(picture[:, ::-1], camera).values[:, :2]
    torch.testing.assert_close(left, merged(picture, camera).values.flip(1)[:, :2])
    with pytest.raises(ValueError, match="panoramic"):
        estimator.with_options(seam="circular")
    with pytest.raises(ValueError, match="Pinhole"):
        estimator(PANORAMA, dp.Equirectangular(64, 128))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("formula", "paper"),
        ("baseline_m", 0.0),
        ("training_fov_deg", 400.0),
        ("training_width", -1),
        ("anisotropy", math.nan),
        ("latitudes_deg", (30.0, -10.0)),
        ("authors_size", (0, 128)),
    ],
)
def test_wrong_options_are_named(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=option):
        BlindSpotOptions(**{option: value})


def test_half_precision_of_the_encoder(checkpoint: Path) -> None:
    full = dp.load(MODEL, checkpoint, "cpu")(PANORAMA)
    half = dp.load(MODEL, checkpoint, "cpu", precision="bfloat16")(PANORAMA)
    assert half.values.dtype == torch.float32
    torch.testing.assert_close(half.values, full.values, atol=0, rtol=0.1)


def test_warm_up_and_options_of_the_node(checkpoint: Path) -> None:
    estimator = dp.load(
        MODEL,
        checkpoint,
        "cpu",
        height=64,
        precision="float32",
        seam="off",
        flip=False,
        output_size="network",
    )
    estimator.warm_up(64, 128)
    camera = dp.Equirectangular.partial(64, 128, 2 * math.pi, math.pi)
    prediction = estimator(torch.from_numpy(PANORAMA), camera)
    assert prediction.values.shape == (89, 128)
    assert prediction.valid.any()
