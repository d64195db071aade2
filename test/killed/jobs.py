"""Small runs of the commands that write, and what must hold after they were killed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import cv2
import numpy as np
import torch

from depth_perception.cli.infer.manifest import MANIFEST_NAME
from depth_perception.cli.main import main
from depth_perception.io.images import write_image
from depth_perception.io.video import VideoReader, VideoWriter
from depth_perception.systems import build_network, save_network

_TRAINING = Path(__file__).resolve().parents[1] / "training" / "test_killed.py"
_HIDDEN = "a leftover"


class Job(ABC):
    """A command with small inputs, whose results do not depend on the folder they are made in.

    Attributes:
        name: for the table.
    """

    name: ClassVar[str]

    def prepare(self, inputs: Path) -> None:  # noqa: B027
        """Make the inputs of all runs."""

    @abstractmethod
    def run(self, inputs: Path, out: Path) -> None:
        """One run, in a process that may be killed; a later one continues it."""

    def torn(self, out: Path, whole: Path) -> list[str]:
        """What is incomplete in the folder of a killed run, compared with the whole run."""
        found, expected = files(out), files(whole)
        return [
            f"{name} is incomplete"
            for name, content in visible(found).items()
            if not self.is_journal(name) and not self.same(name, content, expected.get(name))
        ]

    def differing(self, out: Path, whole: Path) -> list[str]:
        """What differs after the next run from a run that nobody disturbed."""
        found, expected = files(out), files(whole)
        problems = [f"{name} is {_HIDDEN}" for name in found.keys() - visible(found).keys()]
        problems += [f"{name} is missing" for name in expected.keys() - found.keys()]
        for name, content in visible(found).items():
            if name not in expected:
                problems.append(f"{name} is too much")
            elif not self.same(name, content, expected[name]):
                problems.append(f"{name} differs")
        return problems

    def is_journal(self, name: str) -> bool:
        """Whether a file grows line by line."""
        return name.endswith(".jsonl")

    def same(self, name: str, content: Path, expected: Path | None) -> bool:
        """Whether two files hold the same."""
        return expected is not None and content.read_bytes() == expected.read_bytes()


def files(folder: Path) -> dict[str, Path]:
    """All files by their names below the folder."""
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path for path in found}


def visible(found: Mapping[str, Path]) -> dict[str, Path]:
    """Those that neither have nor lie in anything with a hidden name."""
    return {
        name: path
        for name, path in found.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }


class Infer(Job):
    """Images and a video: pictures, clouds, raw depth, a journal."""

    name = "infer"
    _RESULTS: ClassVar[list[str]] = ["--raw", "npy", "--save-cloud"]

    def prepare(self, inputs: Path) -> None:
        (inputs / "all").mkdir(parents=True)
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (5, 32, 64, 3), dtype=np.uint8)
        for number, frame in enumerate(frames):
            write_image(inputs / "all" / f"{number}.png", cv2.blur(frame, (5, 5)))
        with VideoWriter(inputs / "all" / "film.mp4", 10.0) as video:
            for frame in frames:
                video.write(cv2.blur(frame, (5, 5)))
        torch.manual_seed(0)
        save_network(build_network("panda-tiny-metric"), inputs / "metric.safetensors")

    def options(self, inputs: Path, out: Path) -> list[str]:
        model = ["--model", "panda-tiny-metric", "--checkpoint", str(inputs / "metric.safetensors")]
        return [*model, "--height", "28", "--device", "cpu", "--out", str(out)]

    def run(self, inputs: Path, out: Path) -> None:
        assert main(["infer", str(inputs / "all"), *self.options(inputs, out), *self._RESULTS]) == 0

    def same(self, name: str, content: Path, expected: Path | None) -> bool:
        if expected is not None and name.endswith(MANIFEST_NAME):
            return _entries(content) == _entries(expected)
        if expected is not None and name.endswith(".mp4"):
            with VideoReader(content) as ours, VideoReader(expected) as theirs:
                pairs = zip(ours, theirs, strict=True)
                return all(np.array_equal(*pair) for pair in pairs)
        return super().same(name, content, expected)


def _entries(path: Path) -> dict[str, dict]:
    """The last readable line of each input."""
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # of a killed run
            continue
        found[entry["source"]] = entry
    return found


class BagToBag(Infer):
    """A bag of images into a bag of depth, and its pictures."""

    name = "bag to bag"

    def prepare(self, inputs: Path) -> None:
        super().prepare(inputs)
        options = ["--height", "32", "--frames", "6", "--kind", "room"]
        assert main(["worlds", "bag", str(inputs / "walk"), *options]) == 0

    def run(self, inputs: Path, out: Path) -> None:
        results = ["--to-bag", str(out / "depth"), "--topic", "/camera/image"]
        options = self.options(inputs, out / "pictures")
        assert main(["infer", str(inputs / "walk"), *options, *results]) == 0


class Worlds(Job):
    """A data set of worlds, and a bag of a walk."""

    name = "worlds"

    def run(self, inputs: Path, out: Path) -> None:
        lens = ["--height", "24"]
        frames = ["--frames-per-world", "1", "--labels"]
        folder = ["worlds", "folder", str(out / "set"), "--count", "3", *lens, *frames]
        assert main(folder) == 0
        if not (out / "walk").exists():  # the command keeps a bag that is there
            assert main(["worlds", "bag", str(out / "walk"), "--frames", "4", *lens]) == 0


class Train(Job):
    """A training run that is resumed; its checks are those of the tests of the suite."""

    name = "train"

    def run(self, inputs: Path, out: Path) -> None:
        out.mkdir(exist_ok=True)
        training = _training()
        is_begun = (out / "last.ckpt").is_file()
        if not is_begun:  # what `train --overwrite` does
            from depth_perception.training.folder import clear_folder

            clear_folder(out)
            (out / "steps.log").unlink(missing_ok=True)
        training.run(str(out), is_begun, "")

    def torn(self, out: Path, whole: Path) -> list[str]:
        try:
            _training().assert_whole_files(out)
        except Exception as error:
            return [f"{type(error).__name__}: {error}"]
        return []

    def differing(self, out: Path, whole: Path) -> list[str]:
        problems = [
            f"{name} is {_HIDDEN}" for name in files(out).keys() - visible(files(out)).keys()
        ]
        try:
            _training().assert_same_end(out, whole)
            for name in ("last.safetensors", "best.safetensors"):
                ours, theirs = (_tensors(folder / name) for folder in (out, whole))
                assert ours.keys() == theirs.keys()
                assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}")
        return problems


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("killed_training", _TRAINING)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


JOBS: dict[str, type[Job]] = {job.name: job for job in (Infer, BagToBag, Worlds, Train)}


def remove(folder: Path) -> None:
    """Remove a folder of results."""
    shutil.rmtree(folder, ignore_errors=True)
    assert not os.path.lexists(folder)
