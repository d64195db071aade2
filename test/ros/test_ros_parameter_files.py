"""Parameter files and docs/parameters.md: generated and complete; older files still load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.node import Node
from ros_harness import ROOT

from depth_perception.options import options
from depth_perception.ros.parameters.table import ParameterTable, build
from depth_perception.ros.parameters.write import COMMAND, NODES, generated_files, main

BEFORE = ROOT / "test" / "data" / "v0.1" / "config"


@pytest.mark.parametrize("name", generated_files())
def test_committed_file_is_the_generated_one(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == generated_files()[name], f"run {COMMAND}"


def test_every_generated_file_is_written_below_the_given_folder(tmp_path: Path) -> None:
    for folder in ("config", "docs"):
        (tmp_path / folder).mkdir()
    assert main([str(tmp_path)]) == 0
    for name, text in generated_files().items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    items: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            items.update(flat(value, f"{prefix}{name}."))
        else:
            items[f"{prefix}{name}"] = tuple(value) if isinstance(value, list) else value
    return items


@pytest.mark.parametrize("stem", NODES)
def test_parameter_file_holds_every_parameter_at_its_default(stem: str) -> None:
    kind = NODES[stem]
    text = (ROOT / "config" / f"{stem}.yaml").read_text()
    given = flat(yaml.safe_load(text)["/**"]["ros__parameters"])
    declared = {name: said.typed_default(default) for name, said, default in options(kind)}

    assert given == declared
    assert {name: type(value) for name, value in given.items()} == {
        name: type(value) for name, value in declared.items()
    }
    assert build(kind, given) == kind()
    lines = text.splitlines()
    first = lines.index("  ros__parameters:") + 1
    for at, line in enumerate(lines[first:], first):
        is_value = line.strip() and not line.strip().startswith("#") and not line.endswith(":")
        assert not is_value or lines[at - 1].strip().startswith("#"), f"{line} is not explained"
    for name, said, _ in options(kind):  # in the words of the node
        assert " ".join(said.text.split()) in _comments(text), name


def _comments(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))


@pytest.mark.parametrize("stem", NODES)
def test_every_parameter_is_described(stem: str) -> None:
    for name, said, _ in options(NODES[stem]):
        assert len(said.text) >= 15, name
        assert said.text.rstrip().endswith("."), name


@pytest.mark.parametrize("stem", NODES)
def test_every_parameter_tells_when_it_may_change(stem: str) -> None:
    text = _comments((ROOT / "config" / f"{stem}.yaml").read_text())
    for name, said, _ in options(NODES[stem]):
        noted = text[text.index(f"{said.text} [") :].partition("]")[0].rpartition("; ")[2]
        expected = "at start" if said.read_only else "on configure" if said.reload else "while run"
        assert noted.rpartition("[")[2].startswith(expected), name


@pytest.mark.parametrize("stem", NODES)
def test_parameter_file_of_before_still_loads(stem: str, make_node: Callable[[Path], Node]) -> None:
    path = BEFORE / f"{stem}.yaml"
    given = flat(yaml.safe_load(path.read_text())["/**"]["ros__parameters"])
    node = make_node(path)
    table = ParameterTable(node, NODES[stem], lambda: False)

    assert table.problems == ()
    usual = {name: said.typed_default(value) for name, said, value in options(NODES[stem])}
    assert given.keys() <= usual.keys()
    assert table.settings == build(NODES[stem], {**usual, **given})
    changed = {"seam": "circular"} if stem == "panoramic" else {}  # auto today: the same
    assert table.settings == replace(NODES[stem](), **changed)
    for name, value in given.items():
        assert node.has_parameter(name), name
        held = node.get_parameter(name).value
        assert (tuple(held) if isinstance(held, list) else held) == value, name


@pytest.fixture
def make_node(ros: None) -> Iterator[Callable[[Path], Node]]:
    made: list[Node] = []

    def make(path: Path) -> Node:
        arguments = ["--ros-args", "--params-file", str(path)]
        made.append(Node("loaded", cli_args=arguments, use_global_arguments=False))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()
