"""The command eval on data sets in their own layouts: those of PanDA and of ScaleDepth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import depth_perception as dp
from depth_perception.cli.eval.benchmarks import PANORAMAS
from depth_perception.cli.main import main
from depth_perception.data.benchmarks.zero_shot import ZERO_SHOT as READERS
from depth_perception.data.tiny import write_tiny
from depth_perception.data.tiny.scenes import panorama
from depth_perception.evaluation import published
from depth_perception.evaluation.alignment import Alignment
from depth_perception.evaluation.loop import Sample, Values, evaluate
from depth_perception.evaluation.nyu_kitti import PROTOCOLS
from depth_perception.evaluation.panda import PandaProtocol, at_height
from depth_perception.evaluation.zero_shot import ZERO_SHOT, depth_as_seen, seen_size
from depth_perception.systems import build_network, save_network

NINE = {"mae", "abs_rel", "sq_rel", "rms", "log_rms", "log10", "a1", "a2", "a3"}
TEN = {"d0_5", "d1", "d2", "d3", "abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, files = tmp_path_factory.mktemp("weights"), {}
    for name in ("panda-tiny-metric", "panda-tiny", "scaledepth-tiny"):
        torch.manual_seed(0)
        files[name] = folder / f"{name}.safetensors"
        save_network(build_network(name), files[name])
    return files


def judged(
    model: str, dataset: str, root: Path, weights: dict[str, Path], tmp_path: Path, *more: object
) -> dict:
    report = tmp_path / "e.json"
    args = ["eval", model, dataset, root, "--checkpoint", weights[model], "--device", "cpu"]
    assert main([str(a) for a in (*args, "--json", report, *more)]) == 0
    return json.loads(report.read_text())


@pytest.mark.parametrize("dataset", PANORAMAS)
def test_panoramas_by_the_rules_of_panda(
    dataset: str, weights: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    write_tiny(dataset, root)
    for model, how in (("panda-tiny", "scale_shift"), ("panda-tiny-metric", "none")):
        small = ["--height", "28"]
        content = judged(model, dataset, root, weights, tmp_path, *small)
        assert (content["protocol"], content["rules"]["alignment"]) == ("panda", how)
        (result,) = content["evaluations"]
        assert set(result["metrics"]) == NINE
        assert result["frames"] == 1
    content = judged("panda-tiny", dataset, root, weights, tmp_path, *small, "--split", "train")
    assert content["evaluations"][0]["frames"] == 2
    plain = judged("panda-tiny", dataset, root, weights, tmp_path, *small, "--protocol", "plain")
    assert plain["rules"]["max_depth_m"] == (100 if dataset == "deep360" else 10)


def test_the_rules_of_panda() -> None:
    frames = [panorama("room", seed) for seed in (0, 1)]
    seen = []

    def relative(sample: Sample) -> Values:
        seen.append(tuple(sample.image.shape))
        truth = at_height(frames[len(seen) - 1], 504).range_m
        return Values(0.3 * truth + 0.1)

    result = evaluate("x", relative, frames, PandaProtocol(Alignment.SCALE_SHIFT))
    assert seen == [(504, 1008, 3)] * 2
    assert result.metrics["abs_rel"] < 1e-4, "scale and shift are fitted"
    assert result.metrics["a1"] == pytest.approx(1)

    def metric(sample: Sample) -> Values:
        assert sample.image.shape == (512, 1024, 3)
        return Values(torch.full((512, 1024), 50.0))

    result = evaluate("x", metric, frames[:1], PandaProtocol(Alignment.NONE))
    truth = at_height(frames[0], 512).range_m
    known = truth[(truth > 0) & (truth <= 10)]
    assert result.metrics["mae"] == pytest.approx(float((10 - known).mean()), rel=1e-4), "clamped"


def test_published_figures_of_panda_stand_beside_the_whole_test_split_only(
    weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    write_tiny("matterport3d", root)
    figures = {"panda-tiny": {"matterport3d": {"rms": 0.3305}}}
    monkeypatch.setitem(published.PUBLISHED, "panda", figures)
    monkeypatch.setattr("depth_perception.evaluation.panda.NETWORK_HEIGHT", 28)
    content = judged("panda-tiny", "matterport3d", root, weights, tmp_path)
    assert content["published"] == {"rms": 0.3305}
    for other in (["--limit", "1"], ["--split", "val"], ["--align", "median"], ["--height", "42"]):
        content = judged("panda-tiny-metric" if "median" in other else "panda-tiny",
                         "matterport3d", root, weights, tmp_path, *other)  # fmt: skip
        assert content["published"] is None


@pytest.mark.parametrize("dataset", READERS)
def test_unseen_sets_by_the_rules_of_scaledepth(
    dataset: str, weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    write_tiny(dataset, root)
    few = ["--limit", "1", "--height", "64"]
    content = judged("scaledepth-tiny", dataset, root, weights, tmp_path, *few)
    rules = PROTOCOLS[ZERO_SHOT[dataset].rules]
    assert content["rules"]["max_depth_m"] == rules.max_depth_m
    assert content["rules"]["crop"] == rules.crop
    (result,) = content["evaluations"]
    assert set(result["metrics"]) == TEN
    capsys.readouterr()
    plain = judged("scaledepth-tiny", dataset, root, weights, tmp_path, *few, "--protocol", "plain")
    assert plain["evaluations"][0]["frames"] == 1
    assert f"up to {rules.max_depth_m:g} m" in capsys.readouterr().out


def test_scaledepth_sees_what_its_authors_show_it(weights: dict[str, Path]) -> None:
    assert seen_size("long side", 480, 640) == (360, 480)
    assert seen_size("long side", 768, 1024) == (360, 480)
    assert seen_size("square", 768, 1024) == (480, 480)
    assert seen_size("wide", 1216, 1936) == (352, 1120)
    assert seen_size("own", 530, 730) == (530, 730)
    assert set(ZERO_SHOT) == set(READERS)
    estimator = dp.load("scaledepth-tiny", weights["scaledepth-tiny"], "cpu")
    asked = []
    inner = estimator.network.forward
    estimator.network.forward = lambda images, *more, **options: (
        asked.append(tuple(images.shape[-2:])) or inner(images, *more, **options)
    )
    rgb = torch.zeros(3, 120, 160, dtype=torch.uint8)
    depth_m = depth_as_seen(estimator, rgb, "square")
    assert depth_m.shape == (120, 160)
    assert asked == [(480, 480)]
    assert (depth_m > 0).all()
