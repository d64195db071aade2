"""The commands models and weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from depth_perception.cli.main import main
from depth_perception.systems import (
    build_network,
    load,
    load_network,
    models,
    save_network,
    weights_path,
)


@pytest.fixture(autouse=True)
def _empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))


@pytest.mark.parametrize(
    "arguments", [["models", "--all"], ["models", "--all", "--wide"], ["weights", "list"]]
)
def test_tables_name_every_model(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    output = capsys.readouterr().out
    for model in models():
        assert model.name in output


@pytest.mark.parametrize("arguments", [["models"], ["models", "--wide"]])
def test_models_for_tests_are_shown_on_request_only(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    shown = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.split()}
    assert {model.name for model in models() if model.for_tests}.isdisjoint(shown)
    assert {model.name for model in models() if not model.for_tests} <= shown


def test_metres_without_a_limit_are_metres(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    assert "range, m " in rows["blindspot-vgg"]
    assert "relative depth" in rows["panda-small"]
    assert "range, up to 8 m" in rows["omnidepth-rectnet"]
    assert "range up to a factor" in rows["da360-small"]


def test_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "path", "panda-small"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "panda_small.pth")


def test_fetch_says_what_is_missing_and_what_to_put_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", "panda-small"]) == 1
    told = capsys.readouterr().err
    assert "--accept-licence" in told
    assert "--trust" in told
    assert "https://huggingface.co/ZidongC/PanDA/resolve/main/panda_small.pth" in told
    assert str(tmp_path / "panda_small.pth") in told
    (tmp_path / "panda_small.pth").write_bytes(b"weights")
    assert main(["weights", "fetch", "panda-small"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "panda_small.pth")
    assert "is recorded" in shown.err


@pytest.mark.parametrize("flag", ["--accept-licence", "--accept-license"])
def test_terms_and_trust_are_separate_questions(
    flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert main(["weights", "fetch", "panda-small", flag]) == 1
    told = capsys.readouterr().err
    assert "--accept-licence" not in told
    assert "--trust" in told
    assert main(["weights", "fetch", "panda-small", flag, "--trust"]) == 1
    told = capsys.readouterr().err
    assert "none stated" in told  # the terms are shown
    assert "could not be downloaded" in told


def test_list_and_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def row(name: str) -> str:
        assert main(["weights", "list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if line.split()[:1] == [name])

    assert row("ppd-large").split()[1:] == ["-", "ppd.pth", "fetch", "--accept-licence", "--trust"]
    (tmp_path / "blindspot_vgg").mkdir()
    (tmp_path / "blindspot_vgg" / "any.npy").write_bytes(bytes(2_000_000))
    part = tmp_path / "moge_2_vitl.pt.part" / "moge_2_vitl.pt"
    part.parent.mkdir()
    part.write_bytes(bytes(1_000_000))
    assert "2.0 MB" in row("blindspot-vgg")
    assert "unfinished, 1.0 MB" in row("moge-2-vitl")
    assert main(["weights", "remove", "blindspot-vgg"]) == 0
    told = capsys.readouterr().out
    assert f"removed {tmp_path / 'blindspot_vgg'}" in told
    assert "blindspot-vgg-rectilinear used the same weights" in told
    assert main(["weights", "remove", "moge-2-vitl"]) == 0
    assert [*tmp_path.iterdir()] == []
    assert main(["weights", "remove", "moge-2-vitl"]) == 0
    assert "no weights of moge-2-vitl in" in capsys.readouterr().out
    assert main(["weights", "remove", "panda-tiny-metric"]) == 1
    assert "part of the package" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["fetch"], ["path", "panda-huge"], ["remove", "panda-huge"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *arguments]) == 2
    assert "depth-perception weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--trust"], "--trust belongs to weights fetch"),
        (["path", "panda-small", "--accept-licence"], "--accept-licence belongs to weights fetch"),
        (["remove", "panda-small", "--half"], "--half belongs to weights convert"),
        (["fetch", "panda-small", "--output", "a.safetensors"], "--output belongs to"),
        (["fetch", "panda-small", "--checkpoint", "a.pth"], "--checkpoint belongs to"),
        (["convert", "panda-small", "--output", "a.safetensors", "--trust"], "--trust belongs to"),
        (["convert", "panda-small", "--checkpoint", "a", "--directory", "b"], "not both"),
        (["list", "panda-small"], "leave out panda-small"),
    ],
)
def test_flags_of_another_action_are_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", *arguments]) == 2
    shown = capsys.readouterr()
    assert f"depth-perception weights {arguments[0]}: " in shown.err
    assert told in shown.err
    assert shown.out == ""


def test_weights_of_a_folder_are_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "my weights", tmp_path / "o.safetensors"
    torch.manual_seed(0)
    save_network(build_network("omnidepth-rectnet-tiny"), tmp_path / "o")
    arguments = ["weights", "convert", "omnidepth-rectnet-tiny", "--output", str(output)]
    (tmp_path / "o").rename(weights_path("omnidepth-rectnet-tiny", tmp_path))  # the usual one
    folder.mkdir()
    assert main([*arguments, "--directory", str(folder)]) == 1
    assert "give a checkpoint" in capsys.readouterr().err
    assert not output.exists()
    expected = build_network("omnidepth-rectnet-tiny")
    save_network(expected, weights_path("omnidepth-rectnet-tiny", folder))
    assert main([*arguments, "--directory", str(folder)]) == 0
    converted = load_network("omnidepth-rectnet-tiny", output).state_dict()
    for key, value in expected.state_dict().items():
        assert torch.equal(value, converted[key]), key
    assert main([*arguments[:2], "panda-small", *arguments[3:], "--directory", str(folder)]) == 1
    assert f"weights fetch panda-small --directory '{folder}'`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["scaledepth-tiny", "panda-tiny", "ppd-tiny"])
def test_converted_files_load_and_hold_the_same(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    network = build_network(name).eval()
    names = network.official_names()
    state = {names[key]: value for key, value in network.state_dict().items()}
    torch.save({"model": state, "epoch": 3}, tmp_path / "theirs.pth")
    files = (
        "--checkpoint",
        str(tmp_path / "theirs.pth"),
        "--output",
        str(tmp_path / "o.safetensors"),
    )
    assert main(["weights", "convert", name, *files]) == 0
    assert str(tmp_path / "o.safetensors") in capsys.readouterr().out
    loaded = load_network(name, tmp_path / "o.safetensors")
    for key, value in load_network(name, tmp_path / "theirs.pth").state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key


def test_conversion_keeps_how_the_network_runs(tmp_path: Path) -> None:
    network = build_network("omnidepth-rectnet-tiny")
    source, output = tmp_path / "trained.safetensors", tmp_path / "half.safetensors"
    told = {"model": "omnidepth-rectnet-tiny", "options": '{"height": 64}'}
    save_network(network, source, metadata=told)
    files = ("--checkpoint", str(source), "--output", str(output), "--half")
    assert main(["weights", "convert", "omnidepth-rectnet-tiny", *files]) == 0
    assert load("omnidepth-rectnet-tiny", output, "cpu").options.height == 64


def test_conversion_can_halve_and_tells_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    assert main(["weights", "convert", "panda-tiny-metric", "--output", str(whole)]) == 0
    assert main(["weights", "convert", "panda-tiny-metric", "--output", str(half), "--half"]) == 0
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    capsys.readouterr()
    assert main(["weights", "convert", "panda-tiny-metric"]) == 2
    assert "--output" in capsys.readouterr().err
    lost = [
        "weights",
        "convert",
        "scaledepth-tiny",
        "--output",
        str(half),
        "--checkpoint",
        "no.pth",
    ]
    assert main(lost) == 1
    assert "no.pth" in capsys.readouterr().err
