"""The commands models and weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_perception.cli.main import main
from depth_perception.systems import models


@pytest.fixture(autouse=True)
def _empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))


@pytest.mark.parametrize("arguments", [["models"], ["models", "--wide"], ["weights", "list"]])
def test_tables_name_every_model(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    output = capsys.readouterr().out
    for model in models():
        assert model.name in output


def test_metres_without_a_limit_are_metres(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    assert "range, m " in rows["blindspot-vgg"]
    assert "relative depth" in rows["panda-small"]
    assert "range, up to 8 m" in rows["omnidepth-rectnet"]


def test_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "path", "panda-small"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "panda_small.pth")


def test_fetch_of_what_cannot_be_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch", "panda-small"]) == 1
    assert str(tmp_path / "panda_small.pth") in capsys.readouterr().err
    (tmp_path / "panda_small.pth").write_bytes(b"weights")
    assert main(["weights", "fetch", "panda-small"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "panda_small.pth")


@pytest.mark.parametrize("arguments", [["fetch"], ["path", "panda-huge"], ["fetch", "panda-huge"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *arguments]) == 2
    assert "depth-perception weights" in capsys.readouterr().err
