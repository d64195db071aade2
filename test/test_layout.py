"""Tests lie where the code lies that they test."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

TEST = Path(__file__).parent
PACKAGE = TEST.parent / "depth_perception"
# Folders of helpers and reference cases, which no folder of the package corresponds to.
HELPERS = {"fuzz", "golden", "killed", "published"}
TESTS = [path for path in sorted(TEST.rglob("test_*.py")) if path.parts[-2] not in HELPERS]
FOLDERS = sorted({path.parent.relative_to(TEST) for path in TESTS})


def places(name: str) -> list[Path]:
    """Folders of the package that hold a module of this name, or are named so."""
    modules = [path.parent for path in PACKAGE.rglob(f"{name}.py")]
    folders = [path.parent for path in PACKAGE.rglob(f"{name}/__init__.py")]
    return [path.relative_to(PACKAGE) for path in modules + folders]


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_folder_of_tests_is_a_folder_of_the_package(folder: Path) -> None:
    assert (PACKAGE / folder).is_dir(), f"test/{folder} has no counterpart in depth_perception/"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_test_lies_in_the_folder_of_its_module(path: Path) -> None:
    folder = path.parent.relative_to(TEST)
    found = places(path.stem.removeprefix("test_"))
    fitting = [place for place in found if place.is_relative_to(folder)]
    assert not found or fitting, f"{path.name} lies in {folder}, its module in {found}"


def test_names_of_tests_are_unique() -> None:
    names = Counter(path.name for path in TEST.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
