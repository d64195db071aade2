"""Videos: every frame, the input's rate, steady colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import depth_perception as dp
from depth_perception.io.colormaps import RunningRange, colourise, normalise
from depth_perception.io.video import VideoReader, VideoWriter

Infer = Callable[..., int]
RATE_HZ = 12.5


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noise panorama that turns and brightens: 23 frames of 32 x 64 at 12.5 Hz."""
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    base = np.random.default_rng(0).integers(0, 120, (8, 16, 3)).repeat(4, 0).repeat(4, 1)
    with VideoWriter(path, RATE_HZ) as writer:
        for index in range(23):
            writer.write((np.roll(base, index, 1) + 5 * index).astype(np.uint8))
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        assert reader.info.rate_hz == pytest.approx(RATE_HZ, rel=1e-3)
        return list(reader)


def test_all_frames_at_the_rate_and_size_of_the_input(
    tmp_path: Path, infer: Infer, tiny: list[str], video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert infer(video, *tiny) == 0
    results = frames_of(out / "walk.mp4")
    assert len(results) == 23
    assert results[0].shape == (32, 2 * 64 + 50, 3)
    shown = results[11][:, :64].astype(int) - frames_of(video)[11]
    assert np.abs(shown).mean() < 12  # the left half is the input, coded once more
    assert results[11][:, 64:114].mean() > 245

    assert infer(video, *tiny) == 0
    assert "0 done, 1 finished before" in capsys.readouterr().out
    assert infer(video, *tiny, "--pred-only") == 0
    assert frames_of(out / "walk.mp4")[0].shape == (32, 64, 3)


def test_colours_follow_running_percentiles(
    tmp_path: Path, infer: Infer, tiny: list[str], video: Path
) -> None:
    assert infer(video, *tiny, "--pred-only") == 0
    results = frames_of(tmp_path / "out" / "walk.mp4")
    estimator = dp.load("panda-tiny", tiny[3], "cpu", height=28, output_size="input")
    limits = RunningRange()
    for shown, image in zip(results, frames_of(video), strict=True):
        values = estimator(image).values.numpy()
        expected = colourise(normalise(values, limits=limits.update(values)))
        assert np.abs(shown.astype(int) - expected).mean() < 20  # what the codec loses


def test_numbers_and_clouds_per_frame(
    tmp_path: Path, infer: Infer, metric: list[str], video: Path
) -> None:
    assert infer(video, *metric, "--raw", "npy", "--save-cloud") == 0
    folder = tmp_path / "out" / "walk"
    assert len(list(folder.glob("*_depth.npy"))) == 23
    assert len(list(folder.glob("*.ply"))) == 23
    assert np.load(folder / "000022_depth.npy").shape == (32, 64)


def test_fixed_limits_and_a_failure_leaves_no_video(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert infer(video, *tiny, "--pred-only", "--limits", 100, 101) == 0
    lowest = colourise(np.zeros((1, 1), np.uint8))[0, 0].astype(int)
    result = frames_of(tmp_path / "out" / "walk.mp4")[5]
    assert np.abs(result.astype(int) - lowest).mean() < 6

    from depth_perception.cli.infer import run as infer_run

    calls = []

    def failing(*arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) > 5:
            raise OSError("disk full")
        return np.zeros((32, 64, 3), np.uint8)

    monkeypatch.setattr(infer_run, "render_prediction", failing)
    assert infer(video, *tiny, "--overwrite") == 1
    assert "walk.mp4: disk full" in capsys.readouterr().out
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["infer.jsonl", "walk.mp4"]
    np.testing.assert_array_equal(frames_of(tmp_path / "out" / "walk.mp4")[5], result)
