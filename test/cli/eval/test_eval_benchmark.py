"""The command eval on small data sets in the layouts of the benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from data.benchmarks.benchmark_samples import write_sample
from golden.ppd_reference import case

from depth_perception.cli.main import main
from depth_perception.geometry import Pinhole
from depth_perception.systems import build_network

CAMERA = Pinhole.from_fov(48, 64, 1.2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    moge = case("moge-tiny-infer")
    content = {"model_config": moge.entry["constructor"], "model": moge.state()}
    torch.save(content, folder / "moge.pt")
    torch.manual_seed(0)
    network = build_network("ppd-tiny")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    names = network.official_names()
    torch.save({names[k]: v for k, v in network.state_dict().items()}, folder / "ppd.pth")
    return {"moge": folder / "moge.pt", "ppd": folder / "ppd.pth"}


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nyu")
    write_sample("nyu", root, CAMERA, kind="room")
    return root


def _ppd(weights: dict[str, Path], dataset: str, root: Path, *more: str) -> int:
    files = ["--checkpoint", weights["ppd"], "--semantics-checkpoint", weights["moge"]]
    args = ["eval", "ppd-tiny", dataset, root, *files, "--steps", "1", "--device", "cpu", *more]
    return main([str(arg) for arg in args])


def test_ppd_is_judged_in_the_published_way(
    weights: dict[str, Path], nyu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "e.json"), "--markdown", str(tmp_path / "e.md")]
    assert _ppd(weights, "nyu", nyu, "--limit", "1", *files) == 0
    content = json.loads((tmp_path / "e.json").read_text())
    assert (content["protocol"], content["benchmark"]) == ("ppd", "nyu")
    (result,) = content["evaluations"]
    assert result["frames"] == 1
    assert 0 < result["metrics"]["abs_rel"] < 2
    number = f"{result['metrics']['abs_rel']:.3f}"
    shown = capsys.readouterr().out
    assert number in shown
    assert "protocol: ppd on nyu" in shown
    assert number in (tmp_path / "e.md").read_text()


def test_other_models_get_nine_numbers(
    weights: dict[str, Path], nyu: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["eval", "moge-2-tiny", "nyu", str(nyu), "--device", "cpu"]
    args += ["--checkpoint", str(weights["moge"])]
    assert main([*args, "--align", "median"]) == 0
    shown = capsys.readouterr().out
    assert "alignment: median" in shown
    assert "RMSE log10" in shown
    assert main([*args, "--protocol", "ppd", "--limit", "1"]) == 0
    assert "protocol: ppd on nyu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--align", "median"], "--align: not for nyu with --protocol ppd, which takes --list"),
        (["--max-depth", "5"], "--max-depth: not for nyu with --protocol ppd"),
        (["--protocol", "plain"], "take --protocol ppd"),
        (["--protocol", "scaledepth"], "take --protocol ppd"),
        (["--protocol", "omnidepth"], "nyu, which has plain or ppd or scaledepth"),
        (["--baselines"], "--baselines: not for nyu"),
        (["--list", "nowhere.txt"], "no list nowhere.txt"),
        (["--limit", "0"], "--limit must be at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(
    weights: dict[str, Path],
    nyu: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _ppd(weights, "nyu", nyu, *options) == 1
    assert message in capsys.readouterr().err


def test_models_and_data_sets_of_other_cameras_are_refused(
    nyu: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "panda-tiny-metric", "nyu", str(nyu)]) == 1
    assert "panda-tiny-metric is not a pinhole model, which nyu needs" in capsys.readouterr().err
    assert main(["eval", "moge-2-tiny", "nyu", str(nyu), "--steps", "3"]) == 1
    assert "--steps: moge-2-tiny has no such option" in capsys.readouterr().err
    assert main(["eval", "panda-tiny-metric", "worlds", str(nyu), "--protocol", "ppd"]) == 1
    assert "--protocol ppd is not for worlds, which has plain" in capsys.readouterr().err
