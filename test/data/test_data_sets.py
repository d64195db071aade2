"""Every data set of the registry: written tiny, checked, read, and checked without a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_perception.cli.main import main
from depth_perception.data.check import DataCheck, check
from depth_perception.data.files import write_samples
from depth_perception.data.panoramas import PANORAMA_IMAGES, PANORAMAS
from depth_perception.data.registry import DATA_SETS, data_set, depth_of, image_of
from depth_perception.data.tiny import WRITERS, Made, write_tiny
from depth_perception.data.worlds import write_folder
from depth_perception.geometry import Equirectangular

STEP_M = {
    "structured3d": 1 / 1000, "matterport3d": 1 / 4000, "stanford2d3d": 1 / 512, "worlds": 1 / 1000,
    "nyu": 1 / 1000, "nyu-folders": 1 / 1000, "sunrgbd": 1 / 1000, "diode-indoor": 1 / 1000,
    "hypersim-json": 1 / 1000, "hypersim-list": 1 / 1000, "diml": 1 / 1000, "scannet": 1 / 1000,
    "kitti": 1 / 256, "kitti-folders": 1 / 256, "diode-outdoor": 1 / 256, "ddad": 1 / 256,
    "ibims": 50 / 65535, "vkitti2": 1 / 100, "cityscapes-dvps": 1 / 256, "semkitti-dvps": 1 / 256,
}  # fmt: skip
"""Quantisation of the files; float32 where it is not said."""
JPEG = ("matterport3d", "nyu-folders", "sunrgbd", "vkitti2", "hypersim", "hypersim-list",
        "scannet", "coco-panoptic", *PANORAMA_IMAGES)  # fmt: skip
WITHOUT_DEPTH = ("cityscapes", "coco-panoptic", *PANORAMA_IMAGES)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Made]]:
    """A data set in its layout and what it holds, written once."""
    written: dict[str, tuple[Path, Made]] = {}

    def get(name: str) -> tuple[Path, Made]:
        if name not in written:
            root = tmp_path_factory.mktemp(name) / "data"
            written[name] = root, write_tiny(name, root)
        return written[name]

    return get


def checked(name: str, root: Path) -> DataCheck:
    """Images alone are known to be missing by their list only."""
    return check(
        DATA_SETS[name], root, listing=root / "list.txt" if name in PANORAMA_IMAGES else None
    )


def test_every_data_set_has_a_writer_and_says_what_it_is() -> None:
    assert set(WRITERS) == set(DATA_SETS)
    for name, entry in DATA_SETS.items():
        assert name == entry.name
        assert all((entry.layout, entry.unit, entry.rule, entry.used_by, entry.splits))
        assert (name in WITHOUT_DEPTH) == entry.unit.startswith("no depth")
    assert set(PANORAMAS) | set(PANORAMA_IMAGES) <= set(DATA_SETS)
    with pytest.raises(KeyError, match="did you mean 'stanford2d3d'"):
        data_set("stanford2d-3d")


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_tiny_data_set_is_whole_and_read_as_it_was_made(
    name: str, tiny: Callable[[str], tuple[Path, Made]]
) -> None:
    root, made = tiny(name)
    entry = DATA_SETS[name]
    result = checked(name, root)
    assert result.usable, result.problems
    assert result.oddities == ()
    assert {s.name: s.frames for s in result.splits} == {s: len(f) for s, f in made.items()}
    assert tuple(made) == entry.splits
    assert (result.depth is None) == (name in WITHOUT_DEPTH)
    for split, expected in made.items():
        for frame, truth in zip(entry.open(root, split), expected, strict=True):
            if name == "deep360":
                continue  # turned from another projection, see below
            rgb, wanted = (image_of(f).float() for f in (frame, truth))
            assert (rgb - wanted).abs().mean() < (6 if name in JPEG else 1e-6)
            if name not in WITHOUT_DEPTH:
                compare_depth(name, frame, truth)


def compare_depth(name: str, frame: object, truth: object) -> None:
    found = depth_of(frame)
    is_range = DATA_SETS[name].gives == "range"
    expected = truth.range_m if is_range else truth.depth_m
    if name in PANORAMAS:
        expected = expected.clamp(max=PANORAMAS[name].usual_max_range_m)
    known = found > 0
    if name == "diode":  # smeared edges do not count
        assert 0.3 < known.float().mean() < 1
    elif name == "kitti-raw":  # points fall one row and column before theirs, as is published
        found, known, expected = found[:-1, :-1], known[:-1, :-1], expected[1:, 1:]
        assert torch.equal(known, expected > 0)
    else:
        assert torch.equal(known, expected > 0)
    assert not known.all() or (expected > 0).all()
    tolerance = STEP_M.get(name, 0.0) / 2 + 1e-5 * expected
    if name == "hypersim":  # 16 bits of floating point
        tolerance = expected / 2**11
    if name == "unrealstereo4k":  # the inverse of a disparity
        tolerance = 1e-4 * expected
    assert ((found - expected).abs() <= tolerance)[known].all()


def test_deep360_is_turned_from_cassini(tiny: Callable[[str], tuple[Path, Made]]) -> None:
    root, made = tiny("deep360")
    for frame, truth in zip(DATA_SETS["deep360"].open(root, "train"), made["train"], strict=True):
        both = (frame.range_m > 0) & (truth.range_m > 0)
        assert both.float().mean() > 0.5
        error = (frame.range_m - truth.range_m).abs()[both] / truth.range_m[both]
        assert error.median() < 0.06


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_missing_file_is_named(name: str, tiny: Callable[[str], tuple[Path, Made]]) -> None:
    root, _ = tiny(name)
    entry = DATA_SETS[name]
    files = list(dict.fromkeys(entry.files_of(entry.open(root))))
    for path in {files[0], files[1], files[-1]}:
        aside = root.parent / "aside"
        path.rename(aside)
        try:
            result = checked(name, root)
        finally:
            aside.rename(path)
        assert not result.usable, path
        known = (
            path.name.split("depth_")[0] if name == "semkitti-dvps" else path.name
        )  # focal length
        assert any(known in problem for problem in result.problems), (path, result.problems)
    assert checked(name, root).usable


def test_an_empty_folder_is_told_what_belongs_there(tmp_path: Path) -> None:
    for name, entry in DATA_SETS.items():
        result = check(entry, tmp_path)
        assert not result.usable
        assert any(entry.layout in problem for problem in result.problems), name
    assert check(DATA_SETS["nyu"], tmp_path / "no").problems == (f"no folder {tmp_path / 'no'}",)


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("way", ["empty lists", "empty folders"])
def test_a_data_set_without_a_frame_is_no_data_set(
    name: str, way: str, tiny: Callable[[str], tuple[Path, Made]], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(tiny(name)[0], root)
    files = [path for path in root.rglob("*") if path.is_file()]
    lists = [path for path in files if path.suffix in (".txt", ".json", ".jsonl", ".csv")]
    for path in lists if way == "empty lists" else set(files) - set(lists):
        if way == "empty folders":
            path.unlink()
        else:
            path.write_text({".json": "[]"}.get(path.suffix, ""))
    changed = bool(lists) or way == "empty folders"
    result = checked(name, root)
    if not changed:
        assert result.usable
        return
    read = sum(part.frames for part in result.splits)
    assert result.problems or read > 0, "nothing read, and nothing told"


def test_a_folder_of_worlds_that_was_only_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(write_folder(tmp_path, [], Equirectangular(28, 56))) == []
    assert main(["data", "check", "worlds", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "no frames" in said.out + said.err
    assert "OK" not in said.out
    assert main(["eval", "panda-tiny-metric", "worlds", str(tmp_path), "--device", "cpu"]) == 1
    assert "none of 0 frames" in capsys.readouterr().err


def test_depth_that_cannot_be_right_is_told(tmp_path: Path) -> None:
    write_tiny("structured3d", tmp_path)
    entry = DATA_SETS["structured3d"]
    truth = [path for s in entry.splits for _, path in entry.open(tmp_path, s).pairs]
    whole = truth[0].read_bytes()
    truth[0].write_bytes(whole[: len(whole) // 2])
    assert "frame 0 cannot be read" in check(entry, tmp_path).problems[0]
    assert str(truth[0]) in check(entry, tmp_path).problems[0]
    for path in truth:
        write_samples(path, np.full((32, 64), 2, np.uint16))  # metres instead of millimetres
    result = check(entry, tmp_path)
    assert result.usable
    assert "median depth is 0.002 m" in result.oddities[0]
    for path in truth:
        write_samples(path, np.zeros((32, 64), np.uint16))
    assert "no depth: all of 4 frames" in check(entry, tmp_path).problems[0]
    write_samples(truth[0].with_name("rgb_rawlight.png"), np.zeros((32, 32, 3), np.uint8))
    write_samples(truth[0], np.ones((32, 32), np.uint16))
    assert any("not twice the height" in problem for problem in check(entry, tmp_path).problems)


def test_a_split_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    write_tiny("nyu-folders", tmp_path)
    (tmp_path / "images" / "test").rename(tmp_path / "elsewhere")
    result = check(DATA_SETS["nyu-folders"], tmp_path, splits=["train"])
    assert result.usable
    result = check(DATA_SETS["nyu-folders"], tmp_path, splits=["test"])
    assert "split test: no folder" in result.problems[0]
    with pytest.raises(ValueError, match="no split 'dev', only train, test"):
        check(DATA_SETS["nyu-folders"], tmp_path, splits=["dev"])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "m"
    assert main(["data", "list"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in DATA_SETS)
    assert main(["data", "tiny", "matterport3d", str(root)]) == 0
    assert main(["data", "check", "matterport3d", str(root)]) == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("OK", "train 2", "val 1", "test 1", "64 x 32"))
    assert main(["data", "tiny", "matterport3d", str(root)]) == 1
    assert "is not empty" in capsys.readouterr().err
    lost = next(root.glob("*/pano_depth/*.png"))
    lost.unlink()
    assert main(["data", "check", "matterport3d", str(root)]) == 1
    shown = capsys.readouterr().out
    assert str(lost) in shown
    assert "unusable" in shown
    assert main(["data", "check", "matterport", str(root)]) == 1
    assert "did you mean 'matterport3d'" in capsys.readouterr().err


def test_the_converter_writes_the_list_anew(
    tiny: Callable[[str], tuple[Path, Made]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = tiny("cityscapes-dvps")
    listing = next(root.rglob("dvps_cityscapes_train.json"))
    before = listing.read_text(encoding="utf-8")
    listing.unlink()
    assert main(["data", "index", str(listing.parent), "--split", "train"]) == 0
    assert listing.read_text(encoding="utf-8") == before
    assert str(listing) in capsys.readouterr().out
    assert main(["data", "index", str(root / "elsewhere")]) == 1
    assert "elsewhere" in capsys.readouterr().err
