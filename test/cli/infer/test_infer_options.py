"""What the command refuses before any work, with exit code 2 and the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

Infer = Callable[..., int]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--save-cloud"], "cloud would be distorted.*--allow-bent-cloud"),
        (["--raw", "png16"], "--raw png16 requires metric depth, and panda-tiny is not metric"),
        (["--to-bag", "b"], "--to-bag requires metric depth"),
        (["--fov", "90"], "--fov takes H V or LEFT RIGHT TOP BOTTOM in degrees for panda-tiny"),
        (["--fov", "400", "90"], "--fov 400.0 90.0: .*longitude"),
        (["--fov", "1", "2", "3"], "got 3 numbers"),
        (["--max-range", "0"], "--max-range must be positive, got 0"),
        (["--edge-filter", "nan"], "--edge-filter must be positive, got nan"),
        (["--limits", "3", "1"], "--limits must be LOW HIGH"),
        (["--topic", "/image"], "--topic is for bags"),
        (["--height", "0"], "height must lie between 1 and 16384, got 0"),
        (["--panels"], "--panels: panda-tiny takes panoramas as they are"),
        (
            ["--reference-focal-px", "519"],
            "no option of panda-tiny; it is one of .*panopticdepth-tiny",
        ),
        (["--device", "cuda:7"], "device|CUDA"),
        (["--checkpoint", "no_such.pth"], "no_such.pth"),
    ],
)
def test_refusals(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    source = picture(tmp_path / "a.png")
    usual = [] if "--height" in options or "--checkpoint" in options else tiny
    usual = usual or ["--model", "panda-tiny", *([] if "--checkpoint" in options else tiny[2:4])]
    assert infer(source, *usual, *options) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("depth-perception infer: ")
    assert re.search(words, captured.err.replace("\n", " "))
    assert not list((tmp_path / "out").glob("*.png"))


def test_unknown_model_and_input(
    tmp_path: Path,
    infer: Infer,
    picture: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = picture(tmp_path / "a.png")
    assert infer(source, "--model", "panda-huge") == 2
    assert "no model 'panda-huge'; did you mean" in capsys.readouterr().err
    assert infer(tmp_path / "gone.png") == 2
    assert "no such file or folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert infer(tmp_path / "empty") == 2
    assert "--recursive looks into its sub-folders" in capsys.readouterr().err
    (tmp_path / "a.md").write_text("text")
    assert infer(tmp_path / "a.md") == 2
    assert "no image, video or bag (suffix '.md')" in capsys.readouterr().err
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    assert infer(tmp_path / "bytes.txt") == 2
    assert "not a text list in UTF-8" in capsys.readouterr().err


def test_weights_that_were_not_fetched_name_the_command(
    tmp_path: Path,
    infer: Infer,
    picture: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path / "weights"))
    assert infer(picture(tmp_path / "a.png"), "--model", "depth-anything-v2-small") == 2
    assert "depth-perception weights fetch depth-anything-v2-small" in capsys.readouterr().err


def test_wrong_option_is_exit_code_2(infer: Infer, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        infer("a.png", "--sead", "off")
    assert stop.value.code == 2
    assert "--sead" in capsys.readouterr().err


def test_the_names_of_other_flags_are_known() -> None:
    from dataclasses import fields

    from depth_perception.cli.infer.network_options import _COMMON, TAKEN
    from depth_perception.cli.infer.options import InferOptions

    assert {item.name for item in fields(InferOptions)} <= TAKEN | _COMMON
