"""Everything that a recipe lacks is told at once, with commands and addresses that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from depth_perception.cli.main import COMMANDS
from depth_perception.data.registry import DATA_SETS
from depth_perception.systems import models
from depth_perception.training.needs import check_needs
from depth_perception.training.recipe import load_recipe, packaged_recipes
from depth_perception.training.strict_mapping import RecipeError

SUBCOMMANDS = {"worlds": {"folder", "stereo"}, "data": {"list"}, "weights": {"fetch"}}


def lacks(name: str, *changes: str) -> dict[str, str]:
    """Origin of each missing input of a recipe, in an empty folder."""
    with pytest.raises(RecipeError) as caught:
        check_needs(load_recipe(name, changes))
    first, *rows = str(caught.value).splitlines()
    assert first == f"{name} lacks {len(rows)} of its inputs:"
    return dict(row.strip().split(": ", 1) for row in rows)


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("name", sorted(packaged_recipes()))
def test_every_advice_leads_somewhere(name: str) -> None:
    found = lacks(name)
    assert found
    for path, origin in found.items():
        assert path
        commands = re.findall(r"depth-perception (\w+) ([\w./-]+)(?: ([\w./-]+))?", origin)
        for command, first, second in commands:
            assert command in COMMANDS, origin
            if command in SUBCOMMANDS:
                assert first in SUBCOMMANDS[command], origin
            if command == "train":
                assert first in packaged_recipes(), origin
            if (command, first) == ("data", "list"):
                assert second in DATA_SETS, origin
            if (command, first) == ("weights", "fetch"):
                assert second in {card.name for card in models()}, origin
        assert commands or "https://" in origin or "docs/training.md" in origin, origin


def test_weights_and_data_are_told_together() -> None:
    found = lacks("panda-tiny-metric")
    assert set(found) == {"worlds/train", "worlds/val"}
    assert "depth-perception worlds folder worlds/val" in found["worlds/val"]


def test_what_is_there_is_not_told(empty: Path) -> None:
    (empty / "worlds" / "train").mkdir(parents=True)
    assert set(lacks("panda-tiny-metric")) == {"worlds/val"}
    (empty / "worlds" / "val").mkdir()
    check_needs(load_recipe("panda-tiny-metric", ()))


def test_another_folder_may_be_named(empty: Path) -> None:
    (empty / "mine").mkdir()
    found = lacks("panda-tiny-metric", "data.root=mine")
    assert set(found) == {"worlds/val"}
