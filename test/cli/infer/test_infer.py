"""The command on pictures, folders and lists: files, names, resume, failures, exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import depth_perception as dp
from depth_perception.io.depth_files import read_depth
from depth_perception.io.images import read_image, write_image
from depth_perception.io.ply import read_ply

Infer = Callable[..., int]
Picture = Callable[..., Path]


def names(folder: Path) -> list[str]:
    """All results in a folder, without the journal."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != "infer.jsonl")


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in names(folder)}


def test_every_kind_of_file_equals_the_library(
    tmp_path: Path, infer: Infer, metric: list[str], picture: Picture
) -> None:
    source = picture(tmp_path / "room.jpg")
    assert infer(source, *metric, "--save-cloud", "--raw", "npy", "png16", "exr") == 0
    out = tmp_path / "out"
    assert names(out) == sorted(
        ["room.png", "room.ply", "room_depth.npy", "room_depth.png", "room_depth.exr"]
    )
    estimator = dp.load("panda-tiny-metric", metric[3], "cpu", height=28, output_size="network")
    prediction = estimator(read_image(source))
    depth = prediction.depth.numpy()
    np.testing.assert_array_equal(np.load(out / "room_depth.npy"), depth)
    np.testing.assert_array_equal(read_depth(out / "room_depth.exr"), depth)
    assert np.abs(read_depth(out / "room_depth.png") - depth).max() <= 0.0005001
    assert read_image(out / "room.png").shape == (32, 2 * 64 + 50, 3)
    points, colours = read_ply(out / "room.ply")
    expected = prediction.points().reshape(-1, 3).numpy() * [-1, -1, 1]
    np.testing.assert_allclose(points, expected, rtol=1e-6)
    assert len(colours) == 28 * 56


def test_resize_grayscale_and_the_optical_frame(
    tmp_path: Path, infer: Infer, metric: list[str], picture: Picture
) -> None:
    source = picture(tmp_path / "room.png")
    options = ("--resize", "--pred-only", "--grayscale", "--cloud-frame", "optical")
    assert infer(source, *metric, *options, "--save-cloud", "--raw", "npy") == 0
    out = tmp_path / "out"
    prediction = dp.load("panda-tiny-metric", metric[3], "cpu", height=28, output_size="input")(
        read_image(source)
    )
    np.testing.assert_array_equal(np.load(out / "room_depth.npy"), prediction.depth.numpy())
    shown = read_image(out / "room.png")
    assert shown.shape == (32, 64, 3)
    assert (shown == shown[..., :1]).all()
    points, colours = read_ply(out / "room.ply")
    np.testing.assert_array_equal(points, prediction.points().reshape(-1, 3).numpy())
    np.testing.assert_array_equal(colours, read_image(source).reshape(-1, 3))


def test_max_range_and_edge_filter_thin_the_cloud(
    tmp_path: Path, infer: Infer, metric: list[str], picture: Picture
) -> None:
    source = picture(tmp_path / "room.png")
    assert infer(source, *metric, "--save-cloud", "--raw", "npy") == 0
    out = tmp_path / "out"
    depth = np.load(out / "room_depth.npy")
    limit = float(np.median(depth))
    assert infer(source, *metric, "--save-cloud", "--raw", "npy", "--max-range", limit) == 0
    cut = np.load(out / "room_depth.npy")
    np.testing.assert_array_equal(np.isnan(cut), depth > limit)
    all_points = len(read_ply(out / "room.ply")[0])
    assert all_points == (depth <= limit).sum()
    thin = ("--max-range", limit, "--edge-filter", 0.001)
    assert infer(source, *metric, "--save-cloud", "--raw", "npy", *thin) == 0
    assert len(read_ply(out / "room.ply")[0]) < all_points
    np.testing.assert_array_equal(np.load(out / "room_depth.npy"), cut)


def test_folder_is_sorted_and_junk_is_reported(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "in"
    for name in ("b.png", "a.jpg", ".hidden.png", "deep/c.png"):
        picture(folder / name)
    (folder / "notes.md").write_text("no picture")
    assert infer(folder, *tiny) == 0
    assert names(tmp_path / "out") == ["a.png", "b.png"]
    printed = capsys.readouterr().out
    assert "2 done, 0 finished before, 0 failed" in printed
    assert "notes.md: no image, video or bag (suffix '.md')" in printed
    assert infer(folder, *tiny, "--recursive") == 0
    assert names(tmp_path / "out") == ["a.png", "b.png", "deep/c.png"]
    assert "1 done, 2 finished before" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["taken.txt", "taken.txt/inside", "link"])
def test_an_output_folder_that_cannot_be_made_is_refused_before_the_work(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
    out: str,
) -> None:
    (tmp_path / "taken.txt").write_text("a file")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    source = picture(tmp_path / "room.png")
    assert infer(source, *tiny, "--out", tmp_path / out) == 2
    assert f"--out {tmp_path / out}: {tmp_path / out.split('/')[0]} is not a folder" in (
        capsys.readouterr().err
    )


def test_equal_names_never_overwrite_each_other(
    tmp_path: Path, infer: Infer, tiny: list[str], picture: Picture
) -> None:
    folder = tmp_path / "in"
    for seed, name in enumerate(("a.jpg", "a.png", "x/a.png", "a_depth.png")):
        picture(folder / name, seed)
    out = tmp_path / "out"
    assert infer(folder, *tiny) == 0
    assert names(out) == ["a.png", "a_2.png", "a_depth.png"]
    before = times(out)
    assert infer(folder / "x", *tiny) == 0
    assert names(out) == ["a.png", "a_2.png", "a_3.png", "a_depth.png"]
    assert {name: times(out)[name] for name in before} == before
    shown = {read_image(out / name).tobytes() for name in names(out)}
    assert len(shown) == 4


def test_raw_depth_does_not_take_the_name_of_another_picture(
    tmp_path: Path, infer: Infer, metric: list[str], picture: Picture
) -> None:
    folder = tmp_path / "in"
    picture(folder / "a.png", 1)
    picture(folder / "a_depth.png", 2)
    assert infer(folder, *metric, "--raw", "png16") == 0
    out = tmp_path / "out"
    assert names(out) == ["a.png", "a_depth.png", "a_depth_2.png", "a_depth_2_depth.png"]
    assert np.isfinite(read_depth(out / "a_depth.png")).all()


def test_inputs_are_never_overwritten(
    tmp_path: Path, infer: Infer, tiny: list[str], picture: Picture
) -> None:
    source = picture(tmp_path / "out" / "a.png")
    content = source.read_bytes()
    other = tmp_path / "out" / "a_2.png"
    other.write_bytes(b"of somebody else")
    assert infer(source, *tiny, "--pred-only") == 0
    assert source.read_bytes() == content
    assert other.read_bytes() == b"of somebody else"
    assert names(tmp_path / "out") == ["a.png", "a_2.png", "a_3.png"]
    assert infer(source, *tiny, "--overwrite") == 0
    assert source.read_bytes() == content


def test_second_run_skips_and_redoes_only_what_changed(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        picture(folder / name, seed)
    assert infer(folder, *tiny) == 0
    first = times(out)
    assert infer(folder, *tiny) == 0
    assert times(out) == first
    assert "0 done, 3 finished before" in capsys.readouterr().out

    picture(folder / "a.png", 9)
    (out / "b.png").unlink()
    assert infer(folder, *tiny) == 0
    second = times(out)
    assert second["a.png"] != first["a.png"]
    assert second["b.png"] != first["b.png"]
    assert second["c.png"] == first["c.png"]

    assert infer(folder, *tiny, "--grayscale") == 0
    assert names(out) == ["a.png", "b.png", "c.png"]
    assert "3 done" in capsys.readouterr().out
    assert infer(folder, *tiny, "--grayscale", "--overwrite") == 0
    assert "3 done, 0 finished before" in capsys.readouterr().out


def test_other_weights_are_another_result(
    tmp_path: Path, infer: Infer, metric: list[str], picture: Picture
) -> None:
    from depth_perception.systems import build_network, save_network

    weights = tmp_path / "own.safetensors"
    source = picture(tmp_path / "a.png")
    options = ["--model", "panda-tiny-metric", "--checkpoint", str(weights), "--height", "28"]
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_network(build_network("panda-tiny-metric"), weights)
        assert infer(source, *options, "--raw", "npy") == 0
        results.append(np.load(tmp_path / "out" / "a_depth.npy"))
    assert np.abs(results[0] - results[1]).max() > 0.01


def test_a_half_written_run_is_finished_by_the_next(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C in the second of three pictures, then a journal line that was cut in writing."""
    from depth_perception.cli.infer import run as infer_run

    folder, out = tmp_path / "in", tmp_path / "out"
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        picture(folder / name, seed)
    read_image = infer_run.read_image_file

    def interrupted(path: Path) -> np.ndarray:
        if path.name == "b.png":
            raise KeyboardInterrupt
        return read_image(path)

    with monkeypatch.context() as patch:
        patch.setattr(infer_run, "read_image_file", interrupted)
        assert infer(folder, *tiny) == 130
    assert names(out) == ["a.png"]
    assert "run the same command again" in capsys.readouterr().out
    with (out / "infer.jsonl").open("a") as journal:
        journal.write('{"source": "/cut of')
    first = times(out)
    assert infer(folder, *tiny) == 0
    assert names(out) == ["a.png", "b.png", "c.png"]
    assert times(out)["a.png"] == first["a.png"]
    assert "1 unreadable lines of infer.jsonl" in capsys.readouterr().out
    assert infer(folder, *tiny) == 0
    assert "0 done, 3 finished before" in capsys.readouterr().out


def test_bad_files_do_not_stop_the_rest(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "in"
    picture(folder / "a.png")
    whole = picture(folder / "z.jpg").read_bytes()
    (folder / "b.png").write_bytes(b"")
    (folder / "c.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "d.png").write_text("not a picture")
    (folder / "e.mp4").write_text("not a video")
    (folder / "f.mcap").write_text("not a bag")

    write_image(folder / "square.png", np.zeros((40, 40, 3), np.uint8))
    assert infer(folder, *tiny) == 1
    assert names(tmp_path / "out") == ["a.png", "z.png"]
    printed = capsys.readouterr().out
    assert "2 done, 0 finished before, 6 failed" in printed
    for line in (
        "b.png: ",
        "c.jpg: ",
        "d.png: ",
        "e.mp4: ",
        "f.mcap: ",
        "square.png: 40 x 40 is not a full panorama (2:1). Is it an ordinary photo? Then: --model "
        "moge-2-vits-normal",
        "a part of the sphere, give its field of view in degrees: --fov H V",
    ):
        assert line in printed
    assert infer(folder, *tiny) == 1
    assert "0 done, 2 finished before, 6 failed" in capsys.readouterr().out


def test_list_of_paths(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    near = picture(tmp_path / "lists" / "near.png", 1)
    picture(tmp_path / "from_here.png", 2)
    far = picture(tmp_path / "far" / "c.png", 3)
    listing = near.with_name("all.txt")
    text = f"# what to do\r\nnear.png\r\n\r\nfrom_here.png\r\n{far}\r\nnear.png\r\ngone.png\r\n"
    listing.write_text("\ufeff" + text, encoding="utf-8", newline="")
    assert infer(listing, *tiny) == 1
    assert names(tmp_path / "out") == ["c.png", "from_here.png", "near.png"]
    assert "gone.png: no such file" in capsys.readouterr().out
    listing.write_text("near.png\n")
    assert infer(listing, *tiny) == 0


def test_partial_panorama_with_its_field_of_view(
    tmp_path: Path, infer: Infer, metric: list[str]
) -> None:

    pixels = np.random.default_rng(5).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    write_image(tmp_path / "part.png", pixels)
    options = ("--fov", 180, 120, "--save-cloud", "--raw", "npy", "--resize")
    assert infer(tmp_path / "part.png", *metric, *options) == 0
    camera = dp.Equirectangular.partial(40, 60, np.pi, 2 * np.pi / 3)
    estimator = dp.load("panda-tiny-metric", metric[3], "cpu", height=28, output_size="input")
    prediction = estimator(pixels, camera)
    out = tmp_path / "out"
    np.testing.assert_array_equal(np.load(out / "part_depth.npy"), prediction.depth.numpy())
    points, _ = read_ply(out / "part.ply")
    assert (points[:, 2] >= -1e-5).all()  # a half sphere looks forward only


def test_results_inside_the_input_folder_are_no_input(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "out" / "b.png", 2)
    for _ in range(2):
        assert infer(tmp_path, *tiny, "--recursive", "--pred-only") == 0
        assert names(tmp_path / "out") == ["a.png", "b.png", "out/b.png"]
    assert "0 done, 2 finished before, 0 failed" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_a_failure_of_its_input(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from depth_perception.cli.infer import results

    folder = tmp_path / "in"
    for seed, name in enumerate("abcdefgh"):
        picture(folder / f"{name}.png", seed)
    write_image = results.write_image

    def full(path: Path, image: np.ndarray) -> None:
        if path.name == "c.png":
            raise OSError("no space left on device")
        write_image(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(results, "write_image", full)
        assert infer(folder, *tiny) == 1
    printed = capsys.readouterr().out
    assert "7 done, 0 finished before, 1 failed" in printed
    assert "c.png: no space left on device" in printed
    assert infer(folder, *tiny) == 0
    assert "1 done, 7 finished before" in capsys.readouterr().out


def test_pinhole_camera_with_its_field_of_view(
    tmp_path: Path,
    infer: Infer,
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from depth_perception.cli.infer import run as command
    from depth_perception.systems import DenseEstimator, EstimatorOptions, build_network, card
    from depth_perception.systems.depth_anything.network import DepthAnything

    torch.manual_seed(0)
    config = build_network("panda-tiny").config
    network = DepthAnything(config=config, activation="sigmoid", max_depth=20.0)
    monkeypatch.setattr(
        command,
        "load",
        lambda name, checkpoint, device, **options: DenseEstimator(
            card(name), network, options=EstimatorOptions(**options)
        ),
    )
    source = picture(tmp_path / "a.png")
    options = ("--model", "depth-anything-v2-metric-indoor-small", "--height", 28, "--resize")
    assert infer(source, *options, "--save-cloud", "--raw", "npy", "--fov", 90, 60) == 0
    points, _ = read_ply(tmp_path / "out" / "a.ply")
    z = np.load(tmp_path / "out" / "a_depth.npy")
    x, y, forward = (points[:, axis].reshape(32, 64) for axis in range(3))
    np.testing.assert_allclose(forward, z, rtol=1e-6)  # z-depth, optical frame
    columns = (np.arange(64) + 0.5) / 32 - 1
    np.testing.assert_allclose(x / z, np.tile(columns, (32, 1)), atol=1e-5)
    rows = ((np.arange(32) + 0.5) / 16 - 1) * np.tan(np.radians(30))
    np.testing.assert_allclose(y / z, np.tile(rows[:, None], (1, 64)), atol=1e-5)


def test_a_pinhole_model_looks_around_a_panorama(
    tmp_path: Path, infer: Infer, picture: Picture, capsys: pytest.CaptureFixture[str]
) -> None:
    from depth_perception.geometry.panel_merge import surrounding_panels
    from depth_perception.io.images import read_image
    from depth_perception.systems import PanelsEstimator, build_network, load, save_network

    model, weights = "scaledepth-tiny", tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    save_network(build_network(model), weights)
    source = picture(tmp_path / "a.png")
    asked = ["--model", model, "--checkpoint", weights, "--height", 32, "--raw", "npy", "--panels"]
    asked += ["--device", "cpu"]

    assert infer(source, *asked, "--save-cloud", "--reference-focal-px", 32) == 0

    pinhole = load(model, weights, "cpu", height=32)
    around = PanelsEstimator(pinhole, surrounding_panels(32), output_size="network")
    plain = around(read_image(source))
    corrected = PanelsEstimator(
        pinhole.with_options(reference_focal_px=32.0), surrounding_panels(32), output_size="network"
    )(read_image(source))
    depth = np.load(tmp_path / "out/a_depth.npy")
    np.testing.assert_allclose(depth, corrected.depth.numpy(), rtol=1e-5)
    assert depth.shape == (plain.camera.height, plain.camera.width)
    assert np.median(depth / plain.depth.numpy()) < 0.7  # 16 pixels, or fewer, for 32
    points, _ = read_ply(tmp_path / "out/a.ply")
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), depth.ravel(), rtol=1e-4)
    capsys.readouterr()
    assert infer(source, *asked, "--resize", "--overwrite") == 0
    assert np.load(tmp_path / "out/a_depth.npy").shape == read_image(source).shape[:2]
    assert infer(source, *asked, "--focal", 50) == 2
    assert "--focal is for pinhole models" in capsys.readouterr().err
