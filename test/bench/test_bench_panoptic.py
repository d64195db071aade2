"""The benchmark of panoptic post-processing: both ways make the same maps of a synthetic scene."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from depth_perception.bench import panoptic
from depth_perception.bench.options import Panoptic
from depth_perception.bench.panoptic import synthetic_scene
from depth_perception.cli.main import main

SMALL = ["--height", "96", "--width", "192", "--repeats", "1", "--device", "cpu"]


def test_bench_panoptic_finds_equal_maps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "new" / "b.json"), "--markdown", str(tmp_path / "b.md")]
    more = ["--segments", "40", "--whole", "panopticdepth-tiny", "--threads", "1", *files]
    assert main(["bench", "panoptic", *SMALL, *more]) == 0
    content = json.loads((tmp_path / "new" / "b.json").read_text())
    assert content["bench"] == "panoptic"
    assert content["settings"]["maps"] == "192x96"
    with_depth, alone = content["stages"]
    for stage in (with_depth, alone):
        plain, lean = stage["contenders"]
        assert (plain["name"], lean["name"]) == ("plain", "lean")
        assert lean["peak_bytes"] < plain["peak_bytes"] / 3
        pixels = stage["differences"][0]
        assert (pixels["largest"], pixels["scale"]) == (0, 96 * 192)
    depth = with_depth["differences"][1]
    assert depth["largest"] < 1e-3 < 10 < depth["scale"], "a map of nothing proves nothing"
    shown = capsys.readouterr().out
    segments = int(shown.split("masks and depth: ")[1].split()[0])
    assert segments > 20
    assert "0 of 18432 pixels differ" in shown
    assert "a whole frame of panopticdepth-tiny: 0." in shown
    assert "within 4 GB" in shown
    assert "| masks alone | plain |" in (tmp_path / "b.md").read_text()


def test_pixels_that_differ_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = panoptic.lean_map

    def wrong(*given: object) -> object:
        found = right(*given)
        found.ids[0, :3] = 99
        return found

    monkeypatch.setattr(panoptic, "lean_map", wrong)
    options = Panoptic(segments=5, height=64, width=64, repeats=1)
    result = panoptic.bench_panoptic(options)
    assert [stage.differences[0].largest for stage in result.stages] == [3, 3]
    assert "3 of 4096 pixels differ" in " ".join(result.lines)


def test_a_scene_is_the_same_every_time_and_has_no_more_than_it_says() -> None:
    options = Panoptic(segments=7, height=64, width=128)
    first, again = (synthetic_scene(options, torch.device("cpu")) for _ in "ab")
    assert torch.equal(first.features.masks, again.features.masks)
    assert first.features.masks.shape == (1, 256, 16, 32)
    assert len(first.things.scores) == 7
    assert first.without_depth().features.depths is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--height", "40"], "height must be a multiple of 32, at least 64, got 40"),
        (["--segments", "201"], "segments must lie in 0..200, got 201"),
        (["--repeats", "0"], "repeats must lie between 1 and inf, got 0"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "panoptic", *SMALL, *options]) == 1
    assert message in capsys.readouterr().err
