"""The worlds command."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from rosbags.rosbag2 import Reader

from depth_perception.cli.main import main
from depth_perception.data.dvps import CityscapesDvps
from depth_perception.data.worlds import WorldFolder


def test_sheet_folder_and_bag(tmp_path: Path) -> None:
    sheet, folder, bag = tmp_path / "sheet.png", tmp_path / "set", tmp_path / "bag"
    common = ["--seed", "3", "--height", "12"]
    assert main(["worlds", "sheet", str(sheet), "--count", "3", "--kind", "room", *common]) == 0
    assert cv2.imread(str(sheet)).shape == (2 * 12, 2 * 3 * 24, 3)
    assert main(["worlds", "folder", str(folder), "--count", "2", *common]) == 0
    assert len(WorldFolder(folder)) == 4
    assert main(["worlds", "bag", str(bag), "--frames", "2", "--storage", "sqlite3", *common]) == 0
    with Reader(bag) as reader:
        assert reader.message_count == 2 * 4 + 1


def test_sheets_show_the_options_of_folders(tmp_path: Path) -> None:
    common = ["--kind", "lawn:1,road:1", "--count", "1", "--seed", "3", "--height", "16"]
    given = ["--tilt-deg", "5", "--camera-heights-m", "0.3", "0.5", "--rig", "1", "--camera", "1"]
    sheet, folder = tmp_path / "sheet.png", tmp_path / "set"
    more = ["--frames-per-world", "1"]
    assert main(["worlds", "folder", str(folder), *common, *given, *more]) == 0
    assert main(["worlds", "sheet", str(sheet), *common, *given, *more, "--columns", "1"]) == 0
    shown = cv2.imread(str(sheet))[:, :32]
    (written,) = folder.glob("frames/*_rgb.png")
    assert (shown == cv2.imread(str(written))).all()
    assert 0.3 <= WorldFolder(folder).frames[0]["camera_height_m"] <= 0.5


def test_streets_in_the_layout_of_cityscapes_dvps(tmp_path: Path) -> None:
    size = ["--height", "12", "--width", "24", "--fov", "60"]
    args = ["worlds", "dvps", str(tmp_path), "--seed", "3", "--count", "2", "--frames", "2"]
    assert main([*args, "--split", "val", *size]) == 0
    frames = CityscapesDvps(tmp_path, "val")
    assert len(frames) == 4
    assert frames[3].rgb.shape == (3, 12, 24)
    assert frames[0].depth_m.max() > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sheet", "{tmp}/a.png", "--count", "0"], "got 0 worlds, 2 columns"),
        (["sheet", "{tmp}/a.png", "--columns", "0", "--height", "6"], "8 worlds, 0 columns"),
        (["sheet", "{tmp}/a[/b].txt", "--count", "1", "--height", "6"], "a[/b].txt"),
        (["bag", "{tmp}/bag", "--seed", "-1"], "seed must not be negative"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worlds", *(arg.format(tmp=tmp_path) for arg in args)]) == 1
    assert message in capsys.readouterr().err


def test_markup_in_a_path_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "[bold] x.png"
    assert main(["worlds", "sheet", str(path), "--count", "1", "--height", "6"]) == 0
    assert f"{path}: 1 worlds" in capsys.readouterr().out


def test_an_error_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worlds", "bag", str(tmp_path), "--frames", "1"]) == 1
    assert "exists" in capsys.readouterr().err
