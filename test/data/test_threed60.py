"""3D60: lists of all spellings, files, pairs, and the writer."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from golden.blindspot_reference import FOLDER, case

from depth_perception.data.threed60 import (
    Pairs,
    Placement,
    View,
    Views,
    read_list,
    read_view,
    rolled,
    write_threed60,
)
from depth_perception.geometry import DepthKind, Equirectangular
from depth_perception.geometry.stereo import RIGHT, UP
from depth_perception.io.exr import ExrReadError, write_exr
from depth_perception.io.images import ImageReadError

FIXTURE = FOLDER / "fixture-3d60"
KEYS = {Placement.CENTRE: "left_down", Placement.RIGHT: "right", Placement.UP: "up"}


def test_views_match_the_original_loader():
    golden = case("3d60-loader")
    places = read_list(FIXTURE / "split.txt", FIXTURE, golden.entry["input"]["dataset_order"])
    assert [p.collection for p in places] == ["SunCG", "Matterport3D", "Stanford2D3D"]
    for number, place in enumerate(places):
        for placement, files in place.views.items():
            view = read_view(files, max_range_m=math.inf, normals=True)
            key = f"out_{number}_{KEYS[placement]}"
            golden.assert_close(view.rgb.float() / 255, f"{key}_color_cv2")
            golden.assert_close(view.range_m[None], f"{key}_depth_R")
            golden.assert_close(view.normals.flip(0), f"{key}_normal_cv2")
            # The original's own reader made a gray value of three equal channels.
            wrong = golden.arrays[f"{key}_depth_cv2"]
            assert (wrong / view.range_m)[view.range_m[None] > 0].mean() == pytest.approx(
                1.09, 0.01
            )


def test_two_column_lists_match_the_original_loader():
    golden = case("3d60-loader")
    reader = Views(read_list(FIXTURE / "omni.txt", FIXTURE))
    assert len(reader) == 3
    for number in range(3):
        view = reader[number]
        golden.assert_close(view.rgb.float() / 255, f"out_omni_{number}_rgb")
        golden.assert_close(view.range_m[None], f"out_omni_{number}_depth")
        golden.assert_close((view.range_m > 0).float()[None], f"out_omni_{number}_mask")


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda line: line.replace("./", "D:\\Data\\3D60\\").replace("/", "\\"),
        lambda line: line.replace("/", "\\"),
        lambda line: line.replace("./", "/").replace("Matterport3D", "Matteport3D"),
        lambda line: line.replace("./", "/data/matterport3d/"),
        lambda line: line.replace("./", "").replace("Stanford2D3D", "stanford2d3d") + "\r",
    ],
)
def test_all_ways_to_write_paths(tmp_path, rewrite):
    lines = (FIXTURE / "split.txt").read_text().splitlines()
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(map(rewrite, lines)) + "\n\n", newline="")
    assert read_list(listing, FIXTURE) == read_list(FIXTURE / "split.txt", FIXTURE)


def test_folders_may_be_spelled_as_in_the_list(tmp_path):
    shutil.copytree(FIXTURE / "Matterport3D", tmp_path / "Matteport3D")
    places = read_list(FIXTURE / "split.txt", tmp_path, ["Matterport3D"])
    assert len(places) == 1
    assert Views(places)[0].rgb.shape == (3, 8, 16)


@pytest.mark.parametrize(("second", "direction"), [(Placement.RIGHT, RIGHT), (Placement.UP, UP)])
def test_pairs(second, direction):
    places = read_list(FIXTURE / "split.txt", FIXTURE)
    frame = Pairs(places, second)[1]
    assert frame.direction == direction
    assert frame.baseline_m == 0.26
    assert frame.camera == Equirectangular(8, 16)
    assert frame.kind is DepthKind.RANGE
    views = [read_view(places[1].views[p]) for p in (Placement.CENTRE, second)]
    assert torch.equal(frame.rgb, views[0].rgb)
    assert torch.equal(frame.right, views[1].rgb)
    assert torch.equal(frame.range_m, views[0].range_m)
    assert float(frame.range_m.max()) <= 8
    assert not torch.equal(frame.left, frame.right)


def test_rolling_turns_the_normals():
    golden = case("3d60-rotation")
    normals = golden.arrays["in_normal"].flip(0)  # the original had them as B, G, R
    color = golden.arrays["in_color"]
    view = rolled(View(color, color[0], normals), golden.options["idx"])
    golden.assert_close(view.rgb, "out_color")
    golden.assert_close(view.normals.flip(0), "out_normal")
    assert torch.equal(view.range_m, view.rgb[0])
    whole = rolled(rolled(view, 7), 16 - 7)
    torch.testing.assert_close(whole.normals, view.normals)


def random_view(seed):
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randint(0, 256, (3, 4, 8), generator=generator, dtype=torch.uint8)
    range_m = 7 * torch.rand(4, 8, generator=generator)
    return View(rgb, range_m, torch.randn(3, 4, 8, generator=generator))


def test_what_is_written_can_be_read(tmp_path):
    written = [tuple(random_view(3 * i + k) for k in range(3)) for i in range(2)]
    listing = write_threed60(tmp_path, written, collection="Stanford2D3D/area3")
    places = read_list(listing, tmp_path, ["Stanford2D3D"])
    for place, views in zip(places, written, strict=True):
        for files, view in zip(place.views.values(), views, strict=True):
            read = read_view(files, normals=True)
            assert torch.equal(read.rgb, view.rgb)
            assert torch.equal(read.range_m, view.range_m)
            assert torch.equal(read.normals, view.normals)
    centres = Views(read_list(tmp_path / "omni_split.txt", tmp_path))
    assert torch.equal(centres[1].rgb, written[1][0].rgb)


def test_unknown_ranges(tmp_path):
    view = random_view(0)
    view.range_m[0, :4] = torch.tensor([-1.0, math.nan, math.inf, 8.5])
    listing = write_threed60(tmp_path, [(view, view, view)])
    range_m = Views(read_list(listing, tmp_path))[0].range_m
    assert range_m[0, :4].tolist() == [0, 0, 0, 0]
    assert torch.equal(range_m[1:], view.range_m[1:])


def test_damaged_sets_are_named(tmp_path):
    listing = write_threed60(tmp_path, [(random_view(0), random_view(1), random_view(2))])
    files = read_list(listing, tmp_path)[0].views[Placement.CENTRE]
    write_exr(files.depth, {"A": torch.zeros(4, 8).numpy()})
    with pytest.raises(ExrReadError, match=r"\['A'\]"):
        read_view(files)
    write_exr(files.depth, {"Z": torch.zeros(4, 9).numpy()})
    with pytest.raises(ValueError, match=r"\(4, 9\)"):
        read_view(files)
    files.color.unlink()
    with pytest.raises(ImageReadError, match="place0_color"):
        read_view(files)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("./SunCG/a.png ./SunCG/a.exr ./SunCG/b.exr", "got 3"),
        ("./SunCG/a.png ./Matterport3D/a.exr", "several collections"),
        ("./Other/a.png ./Other/a.exr", "names no folder"),
        ("./SunCG/../../a.png ./SunCG/a.exr", "leaves the folder"),
    ],
)
def test_wrong_lines_are_named(tmp_path, line, message):
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(ValueError, match=f"line 1: .*{message}"):
        read_list(tmp_path / "list.txt", tmp_path)


def test_wrong_arguments_are_refused():
    places = read_list(FIXTURE / "omni.txt", FIXTURE)
    with pytest.raises(ValueError, match="nine columns"):
        Pairs(places)
    with pytest.raises(ValueError, match=r"RIGHT or Placement\.UP"):
        Pairs(places, Placement.CENTRE)
    with pytest.raises(ValueError, match="nine columns"):
        read_view(places[0].views[Placement.CENTRE], normals=True)
    with pytest.raises(ValueError, match="Gibson"):
        read_list(FIXTURE / "omni.txt", FIXTURE, ["Gibson"])
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        read_list(Path("none.txt"), FIXTURE)
