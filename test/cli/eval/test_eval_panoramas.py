"""The command eval on panoramas in the layout of 3D60."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from depth_perception.cli.main import main
from depth_perception.evaluation import published
from depth_perception.systems import build_network, save_network

MODELS = ("panda-tiny-metric", "blindspot-tiny", "omnidepth-rectnet-tiny", "da360-tiny", "da2-tiny",
          "dap-tiny")  # fmt: skip
SMALL = ["run.steps=4", "run.batch=2", "run.val_every=2", "run.val_frames=2", "run.save_every=4"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("3d60")
    args = ["--count", "2", "--places", "1", "--height", "64", "--kind", "room", "--seed", "3"]
    assert main(["worlds", "stereo", str(folder), *args]) == 0
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, files = tmp_path_factory.mktemp("weights"), {}
    for name in MODELS:
        torch.manual_seed(0)
        network = build_network(name)
        if name.startswith("omnidepth"):
            torch.nn.init.constant_(network.decoder.heads[0].bias, 2.0)  # ranges are positive
        if name.startswith("dap"):
            torch.nn.init.constant_(network.mask.out[2].bias, -2.0)  # pixels are near enough
        files[name] = folder / f"{name}.safetensors"
        options = {"model": name, "options": '{"height": 64}'} if "panda" not in name else {}
        save_network(network, files[name], metadata=options)
    return files


def _eval(model: str, root: Path, weights: dict[str, Path], *more: object) -> int:
    args = ["eval", model, "3d60", root, "--checkpoint", weights[model], "--device", "cpu", *more]
    return main([str(arg) for arg in args])


@pytest.mark.parametrize("model", MODELS)
def test_all_panoramic_models_are_judged_beside_baselines(
    model: str, root: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    report = tmp_path / "e.json"
    files = ["--json", report, "--markdown", tmp_path / "e.md"]
    options = ["--list", root / "split.txt", "--align", "median", "--solid-angle", "--baselines"]
    height = ["--height", "28"] if model.startswith("panda") else []
    assert _eval(model, root, weights, *options, *height, *files) == 0
    content = json.loads(report.read_text())
    assert (content["benchmark"], content["protocol"]) == ("3d60", "plain")
    assert content["rules"]["max_depth_m"] == 8
    own, constant, untrained = content["evaluations"]
    assert [e["frames"] for e in (own, constant, untrained)] == [2, 2, 2]
    assert constant["name"].startswith("constant")
    assert untrained["name"] == f"{model} untrained"
    table = (tmp_path / "e.md").read_text()
    assert all(f"{e['metrics']['abs_rel']:.3f}" in table for e in content["evaluations"])


def test_the_other_views_and_a_limit(
    root: Path, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model = "omnidepth-rectnet-tiny"
    shown = set()
    for view in ("centre", "up"):
        assert _eval(model, root, weights, "--view", view, "--limit", "1", "--median") == 0
        shown.add(capsys.readouterr().out)
    assert len(shown) == 2
    assert all("1 frames" in text for text in shown)


@pytest.mark.parametrize("protocol", ["omnidepth", "view-synthesis"])
def test_protocols_of_panoramic_papers(
    protocol: str, root: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    report = tmp_path / "e.json"
    model = "omnidepth-rectnet-tiny"
    assert _eval(model, root, weights, "--protocol", protocol, "--json", report) == 0
    content = json.loads(report.read_text())
    assert content["rules"]["alignment"] == ("median" if protocol == "omnidepth" else "none")
    assert content["published"] is None
    (result,) = content["evaluations"]
    assert set(result["metrics"]) == {"abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3"}
    assert 0 < result["metrics"]["abs_rel"] < 2


def test_published_figures_stand_beside_equal_protocols_only(
    root: Path,
    weights: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = "omnidepth-rectnet-tiny"
    figures = {model: {"3d60": {"abs_rel": 0.7654}}}
    monkeypatch.setitem(published.PUBLISHED, "omnidepth", figures)
    assert _eval(model, root, weights, "--protocol", "omnidepth") == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if "published" in x)
    assert line.split() == ["published", "0.765"]
    for other in (["--limit", "1"], ["--max-depth", "5"], ["--view", "up"], ["--height", "32"]):
        assert _eval(model, root, weights, "--protocol", "omnidepth", *other) == 0
        assert "published" not in capsys.readouterr().out


@pytest.mark.parametrize("recipe", ["blindspot-worlds", "rectnet-worlds"])
def test_weights_of_a_training_are_judged_as_in_its_validation(
    recipe: str, root: Path, tmp_path: Path
) -> None:
    """Their file says how they run: sizes, no crop, the formula of a full turn."""
    run, report = tmp_path / "run", tmp_path / "e.json"
    data = [f"data.{name}={root}" for name in ("root", "val_root")] + ["run.precision=32-true"]
    assert main(["train", recipe, *SMALL, *data, "--out", str(run), "--device", "cpu"]) == 0
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    expected = min(rows, key=lambda row: row["val/abs_rel"])
    model = "blindspot-tiny" if recipe.startswith("blindspot") else "omnidepth-rectnet-tiny"
    files = {model: run / "best.safetensors"}
    rules = ["--solid-angle", "--clamp", "--max-depth", "10", "--json", report]
    for how, name in (("median", "abs_rel"), ("none", "abs_rel_metric")):
        assert _eval(model, root, files, "--align", how, *rules) == 0
        (result,) = json.loads(report.read_text())["evaluations"]
        assert result["metrics"]["abs_rel"] == pytest.approx(expected[f"val/{name}"], rel=1e-3)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("panda-tiny-metric", ["--crop", "eigen"], "--crop: not for 3d60"),
        ("panda-tiny-metric", ["--list", "nowhere.txt"], "no list nowhere.txt"),
        ("panda-tiny-metric", ["--max-depth", "0"], "--max-depth must be positive, got 0"),
        ("panda-tiny-metric", ["--median", "--align", "none"], "contradict each other"),
        ("blindspot-tiny", ["--protocol", "omnidepth", "--median"], "--median: not for 3d60"),
        ("blindspot-tiny", ["--view", "up", "--list", "omni"], "a list of nine columns is needed"),
        (
            "omnidepth-rectnet-tiny",
            ["--protocol", "view-synthesis", "--align", "scale_shift"],
            "take --protocol plain",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    model: str,
    options: list[str],
    message: str,
    root: Path,
    weights: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [str(root / "omni_split.txt") if text == "omni" else text for text in options]
    assert _eval(model, root, weights, *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_pinhole_models_and_empty_folders_are_refused(
    tmp_path: Path, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "moge-2-tiny", "3d60", str(tmp_path)]) == 1
    assert "moge-2-tiny is not a panoramic model" in capsys.readouterr().err
    assert _eval("blindspot-tiny", tmp_path, weights) == 1
    assert "holds 0 lists (*.txt): name one with --list" in capsys.readouterr().err
