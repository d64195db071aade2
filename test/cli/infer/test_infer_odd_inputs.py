"""The command on inputs as people have them: names, parts of a sphere, images without content."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depth_perception.cli.infer.inputs import find_inputs
from depth_perception.cli.infer.manifest import Manifest
from depth_perception.io.images import read_image, write_image
from depth_perception.io.ply import read_ply

Infer = Callable[..., int]
Picture = Callable[..., Path]


def names(folder: Path) -> list[str]:
    """All results in a folder, without the journal."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != "infer.jsonl")


def test_names_sort_by_number_and_one_bad_entry_ends_nothing(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "in"
    for name in ("10.png", "9.png", "photo"):
        picture(folder / f"{name.removesuffix('.png')}.png", 1)
    (folder / "photo.png").rename(folder / "photo")  # by its content
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    assert [item.path.name for item in find_inputs(folder).items] == [
        "9.png",
        "10.png",
        "IMG_1.HEIC",
        "photo",
    ]
    assert infer(folder, *tiny) == 1
    printed = capsys.readouterr().out
    assert "3 done, 0 finished before" in printed
    assert "loop.png" in printed
    assert "gone.png: a link that leads nowhere" in printed
    assert "pillow-heif" in printed or "IMG_1.HEIC is" in printed
    assert names(tmp_path / "out") == ["10.png", "9.png", "photo.png"]


def test_results_stay_below_the_output_folder(
    tmp_path: Path, infer: Infer, tiny: list[str], image_bag: Callable[..., Path]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    bag = image_bag("rec", {"/image": [(10**12, image)]})
    (bag / "sub").mkdir()
    (tmp_path / "list.txt").write_text("rec/sub/..\n")
    assert infer(tmp_path / "list.txt", *tiny) == 0
    assert names(tmp_path / "out") == ["rec/0000001000_000000000.png"]
    with pytest.raises(ValueError, match="outside"):
        Manifest(tmp_path / "out", "s").claim("x", "y", Path("../z"), (".png",))


def test_two_runs_in_one_folder_claim_different_names(tmp_path: Path) -> None:
    one, other = (Manifest(tmp_path / "out", "s") for _ in range(2))
    monday = one.claim("/monday/1.jpg", "x", Path("1"), (".png",))
    tuesday = other.claim("/tuesday/1.jpg", "y", Path("1"), (".png",))
    assert [path.name for path in (*monday, *tuesday)] == ["1.png", "1_2.png"]
    one.finish("/monday/1.jpg")
    assert Manifest(tmp_path / "out", "s").damaged_lines == 0


def test_leftovers_of_killed_runs_go_and_those_of_living_ones_stay(
    tmp_path: Path, infer: Infer, tiny: list[str], picture: Picture
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    dead = subprocess.Popen(["true"])
    dead.wait()
    (out / f".a.{dead.pid}.partial.png").touch()
    living = out / f".b.{os.getpid()}.partial.png"
    living.touch()
    elsewhere = out / f".c.{dead.pid}-0a0a0a.partial.png"
    elsewhere.touch()
    assert infer(picture(tmp_path / "x.png"), *tiny) == 0
    assert sorted(path.name for path in out.glob(".*")) == sorted((living.name, elsewhere.name))


def test_parts_of_a_sphere_by_xmp_and_by_option(
    tmp_path: Path,
    infer: Infer,
    metric: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sphere without its lowest quarter, which its XMP says."""
    source = picture(tmp_path / "top.png")
    pixels = np.ascontiguousarray(read_image(source)[:24])
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description GPano:ProjectionType='
        '"equirectangular" GPano:FullPanoWidthPixels="64" GPano:FullPanoHeightPixels="32" '
        'GPano:CroppedAreaTopPixels="0" GPano:CroppedAreaLeftPixels="0" '
        'GPano:CroppedAreaImageWidthPixels="64" GPano:CroppedAreaImageHeightPixels="24"/>'
        "</x:xmpmeta>"
    )
    Image.fromarray(pixels).save(tmp_path / "top.jpg", quality=95, xmp=xmp.encode())
    write_image(tmp_path / "plain.png", pixels)
    lowest = {}
    for name, options in (
        ("top.jpg", []),
        ("top.jpg", ["--fov", "360", "135"]),
        ("plain.png", ["--fov", "-180", "180", "90", "-45"]),
        ("plain.png", ["--fov", "360", "135"]),
    ):
        cloud = ("--save-cloud", "--cloud-frame", "optical", "--overwrite")
        assert infer(tmp_path / name, *metric, *options, *cloud) == 0
        points, _ = read_ply(tmp_path / "out" / f"{name[:-4]}.ply")
        angles = np.degrees(np.arcsin(-points[:, 1] / np.linalg.norm(points, axis=1)))
        lowest[name, len(options)] = angles.min()
    assert "elevations -45.0 to 90.0 degrees, from its XMP" in capsys.readouterr().out
    for key in (("top.jpg", 0), ("top.jpg", 3), ("plain.png", 5)):
        assert -46 < lowest[key] < -40
    assert lowest["plain.png", 3] < -60


def test_pictures_have_the_size_of_the_input_and_a_bar(
    tmp_path: Path, infer: Infer, metric: list[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    write_image(tmp_path / "room.png", pixels)
    assert infer(tmp_path / "room.png", *metric) == 0
    shown = read_image(tmp_path / "out" / "room.png")
    assert shown.shape[0] == 128
    assert shown.shape[1] > 2 * 256 + 50 + 40
    np.testing.assert_array_equal(shown[:, :256], pixels)
    assert (shown[:, 2 * 256 + 50 :] < 60).all(-1).any()  # letters
    assert infer(tmp_path / "room.png", *metric, "--pred-only") == 0
    assert read_image(tmp_path / "out" / "room.png").shape == (128, 256, 3)


def test_what_is_odd_about_an_image_is_said(
    tmp_path: Path, infer: Infer, metric: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(90, 160, (64, 128, 3), dtype=np.uint8)
    frames = [Image.fromarray(noise), Image.fromarray(noise[::-1])]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    clear = np.dstack((noise, np.full((64, 128), 255, np.uint8)))
    clear[:16, ..., 3] = 0
    Image.fromarray(clear).save(folder / "clear.png")
    write_image(folder / "black.png", np.zeros((64, 128, 3), np.uint8))
    v, u = np.mgrid[:64, :64] - 31.5
    disc = np.hypot(u, v) < 31
    write_image(folder / "raw.png", np.where(np.hstack((disc, disc))[..., None], noise, 0))
    assert infer(folder, *metric) == 0
    printed = capsys.readouterr().out
    for text in (
        "only the first of its 2 frames",
        "25% of its pixels are transparent",
        "the image has no content: it is black",
        "two raw fisheye images",
    ):
        assert text in printed
