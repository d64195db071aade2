"""Limits on what comes from outside, and files that are none: pipes, devices, folders, sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import depth_perception as dp
from depth_perception.cli.infer.inputs import InputError, find_inputs
from depth_perception.cli.infer.scale import read_points
from depth_perception.io.arrays import ArrayReadError, read_array, read_arrays
from depth_perception.io.bag_reader import Bag
from depth_perception.io.depth_files import read_depth
from depth_perception.io.images import read_image
from depth_perception.io.ply import read_ply
from depth_perception.io.video import VideoReader
from depth_perception.limits import IMAGE_BYTES, LimitError, printable, regular_file
from depth_perception.segment_classes import read_classes
from depth_perception.training.recipe import load_recipe

PATIENCE_S = 20.0  # a pipe that is opened waits for ever


def make(kind: str, path: Path) -> Path:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")  # without an end
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    elif kind == "dead link":
        path.symlink_to(path.with_name("nowhere"))
    elif kind == "loop":
        path.symlink_to(path.name)
    return path


KINDS = ["pipe", "device", "folder", "socket", "dead link", "loop"]


def within(seconds: float, call: Callable[[], object]) -> BaseException | None:
    """The error of a call, which must return in time."""
    errors: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)
        else:
            errors.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert errors, "it waits"
    return errors[0]


def load(path: Path) -> object:
    return dp.load("panda-tiny-metric", path, "cpu")


def open_bag(path: Path) -> object:
    with Bag(path) as bag:
        return bag


OPENERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "image": (read_image, "image.png"),
    "depth png": (read_depth, "depth.png"),
    "depth npy": (read_depth, "depth.npy"),
    "video": (VideoReader, "video.mp4"),
    "bag": (open_bag, "bag.mcap"),
    "database": (open_bag, "bag.db3"),
    "classes": (read_classes, "classes.yaml"),
    "points npy": (read_points, "points.npy"),
    "points ply": (read_points, "points.ply"),
    "cloud": (read_ply, "cloud.ply"),
    "array": (read_array, "array.npy"),
    "recipe": (lambda path: load_recipe(str(path), ()), "recipe.yaml"),
    "torch file": (load, "weights.pth"),
    "pickle": (load, "weights.pkl"),
    "safetensors": (load, "weights.safetensors"),
    "list": (lambda path: find_inputs(path, recursive=False), "list.txt"),
    "input": (lambda path: find_inputs(path, recursive=False), "input.jpg"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opener", OPENERS)
def test_only_regular_files_are_opened(
    tmp_path: Path, kind: str, opener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, name = OPENERS[opener]
    path = make(kind, tmp_path / name)
    if opener in ("input", "bag", "database") and kind == "folder":
        pytest.skip("a folder is an input, and a bag may be one")
    error = within(PATIENCE_S, lambda: call(path))
    assert isinstance(error, (OSError, ValueError, InputError)), repr(error)
    text = str(error)
    assert name in text, "the file is named"
    assert len(text) < 600
    assert "Traceback" not in text


@pytest.mark.parametrize("kind", KINDS[:4])
def test_a_file_that_is_none_says_what_it_is(tmp_path: Path, kind: str) -> None:
    path = make(kind, tmp_path / "it")
    with pytest.raises(OSError, match=r"not a regular file") as caught:
        regular_file(path)
    assert ("a folder" if kind == "folder" else "a device, pipe or socket") in str(caught.value)


def test_a_folder_with_such_files_is_worked_on(tmp_path: Path) -> None:
    from depth_perception.io.images import write_image

    write_image(tmp_path / "a.png", np.zeros((4, 8, 3), np.uint8))
    for number, kind in enumerate(KINDS):
        make(kind, tmp_path / f"{number}.png")
    found: list = []
    error = within(PATIENCE_S, lambda: found.append(find_inputs(tmp_path, recursive=False)))
    assert error is None
    (inputs,) = found
    assert [item.path.name for item in inputs.items] == ["a.png"]
    told = {path.name for path, _ in (*inputs.skipped, *inputs.missing)}
    assert {"0.png", "1.png", "3.png", "4.png", "5.png"} <= told


def test_the_environment_raises_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(100))
    monkeypatch.setenv(IMAGE_BYTES.variable, "99")
    with pytest.raises(LimitError, match=r"100 bytes.*99.*DEPTH_PERCEPTION_IMAGE_BYTES raises it"):
        regular_file(path, IMAGE_BYTES)
    for value in ("100", "", "nan", "-3", "many"):
        monkeypatch.setenv(IMAGE_BYTES.variable, value)
        assert regular_file(path, IMAGE_BYTES) == 100


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,), }",
        b"PK\x03\x04",
        b"\x80\x04K\x01.",
        bytes(1000),
    ],
    ids=["nothing", "cut", "claims", "zip", "pickle", "zeros"],
)
def test_arrays_that_are_none_cost_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ArrayReadError) as caught:
        read_array(tmp_path / "a.npy")
    assert "a.npy" in str(caught.value)
    assert "pickle" not in str(caught.value), "nobody asked for pickles"


def test_objects_are_no_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ArrayReadError, match="not a readable"):
        read_array(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array(["text"]))
    with pytest.raises(ArrayReadError, match="not a readable"):
        read_array(tmp_path / "b.npy")
    np.savez(tmp_path / "c.npz", a=np.zeros(3))
    with pytest.raises(ArrayReadError, match="several arrays"):
        read_array(tmp_path / "c.npz")


def test_what_arrays_unpack_to_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1_000_000))
    assert read_arrays(tmp_path / "a.npz")["a"].shape == (1_000_000,)
    monkeypatch.setenv(IMAGE_BYTES.variable, "1000000")
    with pytest.raises(ArrayReadError, match=r"unpacked: 8.*bytes"):
        read_arrays(tmp_path / "a.npz")


def test_a_claimed_size_is_compared_first(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npy"
    np.save(whole, np.zeros((1000, 1000), np.float32))
    for name, change in (("much", b"(99000, 99000), }"), ("more", b"(1001, 1000), }  ")):
        content = whole.read_bytes().replace(b"(1000, 1000), }", change, 1)
        (tmp_path / f"{name}.npy").write_bytes(content)
        with pytest.raises(ArrayReadError):
            read_array(tmp_path / f"{name}.npy")


def test_texts_from_outside_are_cut_and_escaped() -> None:
    assert printable("a\nb\x1b[0m") == "a\\nb\\x1b[0m"
    assert printable("x" * 10, 4) == "xxxx... (10 characters)"
    assert printable("\udcff").encode() == b"\\udcff"
