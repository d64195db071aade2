"""Pixel-Perfect Depth and MoGe-2 on the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.ppd_reference import case
from PIL import Image

import depth_perception as dp
from depth_perception.cli.infer import run as command
from depth_perception.geometry.outliers import outlier_mask
from depth_perception.io.images import write_image
from depth_perception.io.ply import read_ply
from depth_perception.io.video import VideoWriter
from depth_perception.prediction import ScaleKind
from depth_perception.scale import FitModel, ScaleFit
from depth_perception.systems import Estimator, PpdOptions, build_network, card

Infer = Callable[..., int]


@pytest.fixture(scope="module")
def moge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reference = case("moge-tiny-infer")
    path = tmp_path_factory.mktemp("weights") / "moge2.pt"
    torch.save({"model_config": reference.entry["constructor"], "model": reference.state()}, path)
    return path


@pytest.fixture(scope="module")
def ppd(tmp_path_factory: pytest.TempPathFactory, moge: Path) -> list[str]:
    torch.manual_seed(0)
    network = build_network("ppd-tiny")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    names = network.official_names()
    path = tmp_path_factory.mktemp("weights") / "ppd.pth"
    torch.save({names[key]: value for key, value in network.state_dict().items()}, path)
    sizes = ["--steps", "2", "--max-pixels", "6144", "--num-tokens", "30"]
    return ["--model", "ppd-tiny", "--checkpoint", str(path), *_semantics(moge), *sizes]


def _semantics(moge: Path) -> list[str]:
    return ["--semantics-checkpoint", str(moge)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "photo.png"
    write_image(path, noise_image(80, 120, 1))
    return path


def _journal(tmp_path: Path) -> list[dict]:
    lines = (tmp_path / "out" / "infer.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["done"]]


def test_options_reach_the_network(tmp_path: Path, infer: Infer, ppd: list[str], photo: Path):
    assert infer(photo, *ppd, "--align", "none", "--seed", 3, "--raw", "npy") == 0
    options = {"steps": 2, "max_pixels": 6144, "num_tokens": 30, "align": "none", "seed": 3}
    estimator = dp.load(
        "ppd-tiny", ppd[3], "cpu", semantics_checkpoint=ppd[5], output_size="network", **options
    )
    expected = estimator(noise_image(80, 120, 1)).values.numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "photo_values.npy"), expected)
    first = (tmp_path / "out" / "photo.png").stat().st_mtime_ns
    assert infer(photo, *ppd, "--align", "none", "--seed", 3, "--raw", "npy") == 0
    assert (tmp_path / "out" / "photo.png").stat().st_mtime_ns == first
    os.utime(ppd[5])  # other weights of the semantics
    assert infer(photo, *ppd, "--align", "none", "--seed", 3, "--raw", "npy") == 0
    assert (tmp_path / "out" / "photo.png").stat().st_mtime_ns > first
    assert infer(photo, *ppd, "--align", "none", "--seed", 4, "--raw", "npy") == 0
    assert not np.array_equal(np.load(tmp_path / "out" / "photo_values.npy"), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "3"], "--steps is no option of panda-tiny; it is one of ppd-large, "),
        (["--moge-checkpoint", "a.pt"], "--moge-checkpoint is no option of panda-tiny"),
        (["--share-encoder", "True"], "--share-encoder is no option of panda-tiny"),
        (["--focal", "300"], "--focal is for pinhole models"),
        (["--outlier-filter", "0"], "--outlier-filter must be positive"),
    ],
)
def test_options_of_other_models_are_refused(
    infer: Infer, tiny: list[str], photo: Path, capsys, options: list[str], words: str
) -> None:
    assert infer(photo, *tiny, *options) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")


def test_senseless_options_of_ppd_are_refused(infer: Infer, ppd: list[str], photo: Path, capsys):
    assert infer(photo, *ppd, "--align", "none", "--save-cloud") == 2
    assert "--allow-bent-cloud" in capsys.readouterr().err
    assert infer(photo, *ppd, "--focal", "300", "--fov", "60") == 2
    assert "cannot be combined with --fov" in capsys.readouterr().err
    assert infer(photo, *ppd, "--height", "48") == 2
    assert "use max_pixels" in capsys.readouterr().err


def test_depth_that_could_not_be_aligned_is_no_metric_cloud(
    tmp_path: Path, infer: Infer, ppd: list[str], photo: Path, capsys
) -> None:
    options = ("--save-cloud", "--raw", "npy", "png16")
    assert infer(photo, *ppd, *options) == 0  # random networks do not agree
    out = tmp_path / "out"
    found = sorted(path.name for path in out.iterdir() if path.suffix != ".jsonl")
    assert found == ["photo.png", "photo_values.npy"]
    note = _journal(tmp_path)[-1]["note"]
    assert note.startswith("not metric: alignment to MoGe-2 failed")
    assert ".ply" in note
    assert "not metric: alignment to MoGe-2 failed" in capsys.readouterr().out


def _with_exif(path: Path, tags: dict[int, object]) -> Path:
    image = Image.fromarray(case("moge-tiny-infer").image)
    block = image.getexif()
    block[0x0112] = 1
    block.get_ifd(0x8769).update(tags)
    image.save(path, exif=block)
    return path


def test_focal_length_from_exif_option_or_network(tmp_path: Path, infer: Infer, moge: Path, capsys):
    path = _with_exif(tmp_path / "a.png", {0xA405: 30})
    height, width = 84, 112
    image = np.asarray(Image.open(path))
    estimator = dp.load("moge-2-tiny", moge, "cpu", num_tokens=48)
    focal = 30 / np.hypot(36, 24) * np.hypot(height, width)
    cameras = {
        (): dp.Pinhole(height, width, focal, focal, 56, 42),
        ("--ignore-exif",): None,
        ("--focal", 90): dp.Pinhole(height, width, 90.0, 90.0, 56, 42),
        ("--fov", 60): dp.Pinhole.from_fov(height, width, np.pi / 3),
    }
    model = ("--model", "moge-2-tiny", "--checkpoint", moge, "--num-tokens", 48)
    for options, camera in cameras.items():
        assert infer(path, *model, "--resize", "--raw", "npy", *options) == 0
        expected = estimator(image, camera)
        depth = torch.where(expected.valid, expected.depth, torch.nan).numpy()
        found = np.load(tmp_path / "out" / "a_depth.npy")
        np.testing.assert_allclose(found, depth, rtol=1e-4, equal_nan=True, err_msg=str(options))
        printed = capsys.readouterr().out
        assert ("30 mm on 35 mm film" in printed) == (not options)
        assert ("from EXIF" in _journal(tmp_path)[-1]["note"]) == (not options)


def test_junk_in_a_folder_is_reported_and_the_rest_goes_on(
    tmp_path: Path, infer: Infer, ppd: list[str], photo: Path, capsys
) -> None:
    for name, content in (("a.jpg", b""), ("b.png", b"junk"), ("c.doc", b"junk")):
        photo.with_name(name).write_bytes(content)
    extremes = {"black": 0, "white": 255}
    for name, level in extremes.items():
        write_image(photo.with_name(f"{name}.png"), np.full((48, 64, 3), level, np.uint8))
    write_image(photo.with_name("dot.png"), np.zeros((1, 1, 3), np.uint8))
    assert infer(photo.parent, *ppd, "--raw", "npy") == 1
    printed = capsys.readouterr().out
    assert "4 done, 0 finished before, 2 failed" in printed
    for line in ("a.jpg: ", "b.png: ", "c.doc: "):
        assert line in printed
    for name in ("photo", "black", "white", "dot"):
        (found,) = (tmp_path / "out").glob(f"{name}_*.npy")
        assert np.isfinite(np.load(found)).any()


@pytest.mark.parametrize("suffix", [".jp2", ".jpe", ".dib", ".ras", ".sr", ".pbm", ".gif"])
def test_every_format_that_opencv_reads_is_an_input(
    tmp_path: Path, infer: Infer, metric: list[str], suffix: str, capsys
) -> None:
    path = tmp_path / f"a{suffix}"
    pixels = np.zeros((32, 64) if suffix == ".pbm" else (32, 64, 3), np.uint8)
    pixels[8:20, 8:40] = 255  # an image of one colour is reported as one without content
    coded = cv2.haveImageWriter(str(path)) and cv2.imwrite(str(path), pixels)
    if not coded:  # a codec that this build of OpenCV lacks: the file is listed with the reason
        path.write_bytes(b"junk")
    assert infer(path, *metric) == (0 if coded else 1)
    assert ("a" + suffix in capsys.readouterr().out) != bool(coded)


class _Truth(Estimator):
    """Stands for an estimator whose metres jitter from frame to frame."""

    def __init__(self, card, options) -> None:
        self.card, self.options, self.device = card, options, torch.device("cpu")
        self._factors = iter((0.08 * torch.randn(99, generator=torch.manual_seed(0))).exp())

    def with_options(self, **changes):
        self.options = replace(self.options, **changes)
        return self

    def _batch(self, images, cameras):
        raise NotImplementedError

    def __call__(self, image, camera=None):
        height, width = image.shape[:2]
        rows = torch.linspace(1, 3, height)[:, None].expand(-1, width)
        relative = rows + 0.2 * torch.linspace(0, 1, width)
        factor = float(next(self._factors))
        fit = ScaleFit(FitModel.LOG1P_DEPTH, 0.7 * factor, 0.1, 0.001, 0.001, 0.01, 0.01, 9, 9)
        depth = (fit.scale * relative + fit.shift).expm1()
        depth[5, 5] = 4 * depth.max()
        return dp.Prediction(
            values=depth,
            valid=torch.ones(height, width, dtype=torch.bool),
            camera=camera or dp.Pinhole.from_fov(height, width, 1.0),
            kind=self.card.kind,
            space=self.card.space,
            scale=ScaleKind.METRIC,
            fit=fit,
            fit_source="moge-2",
        )


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command,
        "load",
        lambda name, checkpoint, device, **options: _Truth(card(name), PpdOptions(**options)),
    )


def test_the_scale_of_a_video_is_smoothed(tmp_path: Path, infer: Infer, truth: None) -> None:
    path = tmp_path / "walk.mp4"
    with VideoWriter(path, 25.0) as video:
        for _ in range(12):
            video.write(np.zeros((24, 32, 3), np.uint8))
    jitter = []
    for options in ((), ("--no-smooth-scale",)):
        assert infer(path, "--model", "ppd-tiny", "--raw", "npy", *options) == 0
        files = sorted((tmp_path / "out" / "walk").glob("*.npy"))
        assert len(files) == 12
        logs = np.log(np.stack([np.load(file) for file in files]))
        jitter.append(np.abs(np.diff(logs[4:], axis=0)).mean())
    assert jitter[0] < 0.5 * jitter[1]


def test_cloud_without_outliers_in_the_axes_of_opengl(
    tmp_path: Path, infer: Infer, photo: Path, truth: None
) -> None:
    options = ("--model", "ppd-tiny", "--save-cloud", "--outlier-filter", 3)
    assert infer(photo, *options, "--cloud-frame", "opengl") == 0
    points, _ = read_ply(tmp_path / "out" / "photo.ply")
    whole = _Truth(card("ppd-tiny"), None)(noise_image(80, 120, 1)).points()
    far = outlier_mask(whole)
    assert far[5, 5]
    kept = whole[~far].numpy() * [1, -1, -1]
    np.testing.assert_allclose(points, kept, rtol=1e-5)
