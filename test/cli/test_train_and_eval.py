"""The commands train and eval on a rendered data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depth_perception.cli.main import main
from depth_perception.data.worlds import FolderOptions, write_folder
from depth_perception.geometry import Equirectangular

SMALL = [
    "run.steps=2",
    "run.batch=2",
    "run.workers=1",
    "run.precision=32-true",
    "run.val_every=2",
    "run.val_frames=2",
    "data.sizes=[{start: 0, height: 28}]",
]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("worlds")
    options = FolderOptions(frames_per_world=2, shadows=False, antialias=False)
    assert list(write_folder(root, [1, 2], Equirectangular(28, 56), options)) == [1, 2]
    return root


def test_train_then_eval(worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = [f"data.root={worlds}", f"data.val_root={worlds}"]
    out = tmp_path / "run"
    args = ["panda-tiny-metric", *SMALL, *roots, "--out", str(out), "--device", "cpu"]
    assert main(["train", *args]) == 0
    assert f"{out / 'best'}.safetensors" in capsys.readouterr().out
    assert list((out / "events").iterdir()), "TensorBoard events"

    files = {"--json": tmp_path / "eval.json", "--markdown": tmp_path / "eval.md"}
    options = [text for key, path in files.items() for text in (key, str(path))]
    weights = ["--checkpoint", str(out / "best.safetensors"), "--device", "cpu"]
    args = ["panda-tiny-metric", "worlds", str(worlds), "--baselines", "--height", "28"]
    assert main(["eval", *args, *weights, *options]) == 0
    shown = capsys.readouterr().out
    content = json.loads(files["--json"].read_text())
    model, constant, untrained = content["evaluations"]
    assert (model["frames"], model["skipped"]) == (4, 0)
    assert constant["name"].startswith("constant")
    assert untrained["name"] == "panda-tiny-metric untrained"
    assert sum(group["frames"] for group in model["groups"].values()) == 4
    for evaluation in (model, constant, untrained):
        number = f"{evaluation['metrics']['abs_rel']:.3f}"
        assert number in shown
        assert number in files["--markdown"].read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "no-recipe"], "no recipe 'no-recipe'"),
        (["train", "panda-tiny-metric", "run.stepps=1"], "did you mean 'steps'"),
        (
            ["train", "panda-tiny-metric", "data.root=/nowhere"],
            "lacks 2 of its inputs:\n  /nowhere: made by `depth-perception worlds folder",
        ),
        (["train", "panda-tiny-metric", "model.name=panda-huge"], "no model 'panda-huge'"),
        (["eval", "panda-tiny-metric", "worlds", "/nowhere"], "no folder /nowhere"),
    ],
)
def test_what_is_wrong_is_said(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "0"], "--limit must be at least 1, got 0"),
        (["--device", "gpu"], "no device 'gpu'"),
        (["--checkpoint", "nowhere.pth"], "no weights file nowhere.pth"),
        (["--baselines", "--constant-depth", "0"], "constant depth must be positive, got 0"),
    ],
)
def test_bad_options_of_eval_are_refused(
    worlds: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "panda-tiny-metric", "worlds", str(worlds), *options]) == 1
    assert message in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_said_in_words(
    worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["panda-tiny-metric", "worlds", str(worlds), "--limit", "1", "--device", "cpu"]
    report = tmp_path / "new" / "eval.json"
    assert main(["eval", *args, "--json", str(report)]) == 0
    assert json.loads(report.read_text())["evaluations"][0]["frames"] == 1
    capsys.readouterr()
    assert main(["eval", *args, "--markdown", str(report / "eval.md")]) == 1
    assert "eval.json" in capsys.readouterr().err


def test_unknown_models_are_refused(worlds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "panda-huge", "worlds", str(worlds)]) == 1
    assert "no model 'panda-huge'; did you mean 'panda-large'?" in capsys.readouterr().err


def test_a_recipe_that_does_not_fit_its_model_is_refused(
    worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"data.root={worlds}", f"data.val_root={worlds}", "data.max_depth_m=10"]
    assert main(["train", "panda-tiny-metric", *places, "--out", str(tmp_path)]) == 1
    assert "needs target metric and max_depth_m 20" in capsys.readouterr().err


def test_relative_models_are_judged_after_a_fit(
    worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from depth_perception.systems import build_network, save_network

    path = tmp_path / "relative.safetensors"
    save_network(build_network("panda-tiny"), path)
    args = ["eval", "panda-tiny", "worlds", str(worlds), "--checkpoint", str(path)]
    assert main([*args, "--height", "28", "--limit", "2", "--device", "cpu"]) == 0
    assert "alignment: scale_shift" in capsys.readouterr().out
    assert main([*args, "--align", "none", "--height", "28", "--device", "cpu"]) == 1
    assert "unknown scale and shift" in capsys.readouterr().err
