"""Surfaces of texts: parameter files, recipes, classes, journals, lists and names of files."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fuzz.media import FileSurface, image_files
from fuzz.surfaces import Surface

from depth_perception.cli.infer.inputs import InputError, find_inputs
from depth_perception.cli.infer.manifest import MANIFEST_NAME, Manifest
from depth_perception.segment_classes import ClassFileError, read_classes
from depth_perception.training.recipe import load_recipe, packaged_recipes
from depth_perception.training.strict_mapping import RecipeError

_WORDS = (
    "null",
    "[]",
    "{}",
    "-1",
    "1e999",
    ".nan",
    "yes",
    "'\\0'",
    "&a [*a]",
    "!!python/name:os.x",
)
_WORDS += ("2024-01-01", "0x7fffffffffffffffffff", "? [1, 2]", "<<: 3", "a: b: c", "\t", "- - - -")


class Texts(FileSurface):
    """A text file whose words, lines or bytes are changed."""

    def make(self, rng: random.Random) -> tuple[str, bytes]:
        if rng.random() < 0.5:
            return super().make(rng)
        lines = rng.choice(self.samples).decode().splitlines()
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(lines))
            line, word = lines[place], rng.choice(_WORDS)
            kind = rng.randrange(5)
            if kind == 0:
                lines[place] = f"{line.partition(':')[0]}: {word}"
            elif kind == 1:
                lines.insert(place, line)
            elif kind == 2:
                lines[place] = "  " * rng.randrange(6) + line.strip()
            elif kind == 3:
                lines[place] = line.replace(" ", word, 1)
            else:
                lines[place] = word * rng.choice((1, 1, 3000))
        return rng.choice(self.suffixes), "\n".join(lines).encode()


class Recipes(Texts):
    """Recipes of training runs."""

    name = "recipes"
    refusals = (RecipeError,)
    suffixes = (".yaml",)
    share = 0.5

    def make_samples(self) -> Sequence[bytes]:
        import depth_perception.training as training

        folder = Path(training.__file__).parent / "recipes"
        return [(folder / f"{name}.yaml").read_bytes() for name in packaged_recipes()]

    def feed(self, item: tuple[str, bytes]) -> None:
        load_recipe(str(self.written(item)))


class Classes(Texts):
    """Files with the names and colours of classes."""

    name = "class files"
    refusals = (ClassFileError,)
    suffixes = (".yaml",)
    share = 0.5

    def make_samples(self) -> Sequence[bytes]:
        line = "  - {{name: thing {}, is_thing: true, colour: [{}, 0, 255]}}\n"
        return [("classes:\n" + "".join(line.format(k, k) for k in range(9))).encode()]

    def feed(self, item: tuple[str, bytes]) -> None:
        read_classes(self.written(item))


class Journals(Texts):
    """The journal of an output folder."""

    name = "journals"
    refusals = ()
    suffixes = (".jsonl",)
    share = 0.5

    def make_samples(self) -> Sequence[bytes]:
        for place in ("a", "b"):
            manifest = Manifest(self.folder, "options")
            (path,) = manifest.claim(f"/in/{place}.jpg", "5:7", Path(place), (".png",))
            path.write_bytes(b"result")
            manifest.finish(f"/in/{place}.jpg", (0.5, 2.0), "a note")
        return [(self.folder / MANIFEST_NAME).read_bytes()]

    def feed(self, item: tuple[str, bytes]) -> None:
        (self.folder / MANIFEST_NAME).write_bytes(item[1])
        manifest = Manifest(self.folder, "options")
        manifest.clean()
        assert isinstance(manifest.outputs, frozenset)
        entry = manifest.finished("/in/a.jpg", "5:7")
        if entry is not None and entry.limits is not None:
            low, high = entry.limits
            assert isinstance(low, float)
            assert isinstance(high, float)
        manifest.claim("/in/c.jpg", "1:1", Path("c"), (".png",))


class Lists(Texts):
    """Lists of inputs."""

    name = "lists"
    refusals = (InputError,)
    suffixes = (".txt", ".lst")
    share = 0.5

    def make_samples(self) -> Sequence[bytes]:
        (self.folder / "one.png").write_bytes(image_files()[0])
        return [b"# pictures\none.png\n../lists/one.png\n~/none.png\n/dev/null\n..\n"]

    def feed(self, item: tuple[str, bytes]) -> None:
        for path, reason in find_inputs(self.written(item)).missing:
            assert isinstance(path, Path)
            assert reason


class Names(Surface):
    """Names of files and folders, as inputs and as what results are named after."""

    name = "file names"
    refusals = (InputError, ValueError)  # the latter of results outside of the output folder
    _PARTS = ("a", "..", ".", "-", "--out", "~", "é", "\u202e", "\n", "\x1b[2J", "\udcff", " ", "*")
    _PARTS += ("%s", "{}", "\\", "a" * 300, "\x00", "con", ".png", ".mcap", "'", '"', "#", "💥")
    share = 0.5

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "names"
        self.folder.mkdir(parents=True)
        self.image = image_files()[0]

    def make(self, rng: random.Random) -> tuple[list[str], str]:
        names = [
            "".join(rng.choice(self._PARTS) for _ in range(rng.randrange(1, 5)))
            for _ in range(rng.randrange(1, 4))
        ]
        kind = rng.choice(("file", "file", "folder", "missing", "loop", "pipe", "link"))
        return [f"{names[0]}{rng.choice(('', '.png', '.jpg', '.txt'))}", *names[1:]], kind

    def feed(self, item: tuple[list[str], str]) -> None:
        names, kind = item
        work = self.folder / "in"
        path = work.joinpath(*(name.replace("/", "_") for name in reversed(names)))
        with suppress(OSError, ValueError):
            if not work.joinpath(path).resolve().is_relative_to(self.folder.resolve()):
                path = work / "b"
        work.mkdir()
        try:
            with suppress(OSError, ValueError):  # a name that the file system does not take
                _create(path, kind, self.image)
            with suppress(InputError):
                find_inputs(work, recursive=True)
            found = find_inputs(path, recursive=True)
            manifest = Manifest(self.folder / "out", "options")
            for entry in found.items:
                out = manifest.claim(
                    str(entry.path.resolve()), "1", entry.folder / entry.path.stem, (".png",)
                )
                assert all(p.resolve().is_relative_to((self.folder / "out").resolve()) for p in out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(self.folder / "out", ignore_errors=True)


def _create(path: Path, kind: str, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    make: dict[str, Any] = {
        "file": lambda: path.write_bytes(content),
        "folder": lambda: (path.mkdir(), (path / "inside.png").write_bytes(content)),
        "loop": lambda: path.symlink_to(path),
        "link": lambda: path.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(path),
        "missing": lambda: None,
    }
    make[kind]()
