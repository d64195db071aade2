"""Parameters that a user gave and nobody reads: misspelt names, other nodes, repeats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ...limits import PARAMETER_BYTES, printable, regular_file
from ...options import nearest
from ...plain_yaml import LOADER

if TYPE_CHECKING:
    from rclpy.node import Node

_SECTION = "ros__parameters"
_QOS = "qos_overrides."
_CLOSE = 0.85
_ASSIGNING = frozenset(("-p", "--param", "-r", "--remap"))
NODE_NAMES = ("panoramic_depth", "pinhole_depth", "panoptic_depth")


class ParameterFileError(ValueError):
    """A parameter file cannot be read; the text names it."""


class ArgumentError(ValueError):
    """An argument that nobody reads; the text says what is expected."""


def unread(node: Node, given: Iterable[str], known: Iterable[str], *, ready: bool) -> Iterator[str]:
    """One sentence for each given parameter that the node has not declared.

    Args:
        node: it has declared its own parameters.
        given: names of the values given at start.
        known: names of its parameters.
        ready: whether its publishers and subscriptions exist, which declare their own parameters.
    """
    known = list(known)
    for name in given:
        if node.has_parameter(name) or (name.startswith(_QOS) and not ready):
            continue
        names = node.get_parameters_by_prefix("qos_overrides") if name.startswith(_QOS) else ()
        candidates = [f"{_QOS}{key}" for key in names] or known
        hint = nearest(name, candidates, "`ros2 param list` shows all names")
        yield f"parameter {printable(name, 120)!r} is unknown and has no effect: {hint}"


def parameter_files(arguments: Sequence[str]) -> list[str]:
    """The parameter files of a command line."""
    return [value for flag, value in _ros_arguments(arguments) if flag == "--params-file"]


def check_arguments(arguments: Sequence[str]) -> None:
    """Reject what ROS would ignore, or would reject after seconds of imports.

    Args:
        arguments: command line of a node, without the program.

    Raises:
        ArgumentError: an argument does not belong to ROS, or assigns nothing.
    """
    is_ros = False
    for at, argument in enumerate(arguments):
        if argument == "--ros-args":
            is_ros = True
        elif argument == "--" and is_ros:
            is_ros = False
        elif not is_ros:
            given = printable(argument, 120)
            hint = "arguments of ROS follow --ros-args, such as --ros-args -p model:=NAME"
            if ":=" in argument:
                hint = f"write --ros-args -r {given} for a topic, or -p {given} for a parameter"
            raise ArgumentError(f"argument {given!r} is unknown: {hint}")
        elif argument in _ASSIGNING:
            value = arguments[at + 1] if at + 1 < len(arguments) else ""
            name, assigned, _ = value.partition(":=")
            if not (name and assigned):
                told = printable(value, 120)
                raise ArgumentError(
                    f"{argument} {told!r} assigns nothing: write {argument} NAME:=VALUE"
                )


def check_files(arguments: Sequence[str]) -> None:
    """Reject what is no parameter file before ROS opens it.

    Raises:
        ParameterFileError: a file is missing, is no regular file, or is too large.
    """
    for path in parameter_files(arguments):
        try:
            regular_file(path, PARAMETER_BYTES)
        except (OSError, ValueError) as error:
            raise ParameterFileError(f"parameter file {printable(path)}: {error}") from error


def file_remarks(arguments: Sequence[str], node_name: str) -> Iterator[str]:
    """One sentence for each repeated parameter, and for each file without a section for the node.

    Args:
        arguments: command line of the process.
        node_name: with namespace, such as ``/robot/panoramic_depth``.
    """
    seen: set[str] = set()
    for flag, value in _ros_arguments(arguments):
        name, assigned, _ = value.partition(":=")
        if flag in ("-p", "--param") and assigned:
            if name in seen:
                yield (
                    f"parameter {printable(name, 120)!r} is given twice: remove one, the last "
                    "value counts"
                )
            seen.add(name)
    for path in parameter_files(arguments):
        try:
            regular_file(path, PARAMETER_BYTES)
            text = Path(path).read_text(encoding="utf-8")
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=LOADER)):
                continue  # which ROS does not read, and which may lead back
            root = yaml.compose(text, Loader=LOADER)
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            continue  # ROS could read it, or has said why not
        if root is not None:
            yield from _file_remarks(path, root, node_name)


def _file_remarks(path: str, root: yaml.Node, node_name: str) -> Iterator[str]:
    sections = list(_sections(root, ""))
    names = [name for name, _ in sections]
    others = [name for name in dict.fromkeys(names) if not _matches(name, node_name)]
    foreign = [name for name in others if name.rpartition("/")[2] not in NODE_NAMES]
    misspelt = [name for name in foreign if nearest(name, [node_name], "", _CLOSE)]
    file = printable(path, 200)
    if len(others) == len(set(names)) and others:
        shown = ", ".join(repr(printable(name, 80)) for name in others[:5])
        yield (
            f"{file} has no section for this node: it has {shown}; did you mean {node_name!r}, or "
            "'/**' for all nodes?"
        )
    elif misspelt:
        shown = ", ".join(repr(printable(name, 80)) for name in misspelt[:5])
        yield f"{file}: the section {shown} is of no node; did you mean {node_name!r}?"
    for name in dict.fromkeys(names):
        lines: dict[str, int] = {}
        for _, section in (found for found in sections if found[0] == name):
            for key, line in _keys(section, ""):
                if key in lines:
                    yield (
                        f"{file}, line {line}: {printable(key, 120)!r} is given twice (first in "
                        f"line {lines[key]}): remove one, the last value counts"
                    )
                lines[key] = line


def _ros_arguments(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(flag, value) of the arguments of ROS."""
    is_ros, flag = False, ""
    for argument in arguments:
        if argument == "--ros-args":
            is_ros = True
        elif argument == "--":
            is_ros = False
        elif is_ros:
            if flag in ("-p", "--param", "--params-file"):
                yield flag, argument
                flag = ""
            else:
                flag = argument


def _sections(node: yaml.Node, name: str) -> Iterator[tuple[str, yaml.Node]]:
    """(name of the node as in the file, its parameters)."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == _SECTION:
            yield name, value
        else:
            inner = f"{name}/{printable(key.value)}" if name else printable(key.value)
            yield from _sections(value, inner)


def _keys(node: yaml.Node, prefix: str) -> Iterator[tuple[str, int]]:
    """(full name, line) of the parameters in a section."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, f"{name}.")
        else:
            yield name, key.start_mark.line + 1


def _matches(section: str, node_name: str) -> bool:
    """Whether a section, which may have wildcards, is for a node."""
    pattern = re.escape(f"/{section.strip('/')}")
    pattern = pattern.replace(r"/\*\*", "(/.*)?").replace(r"\*", "[^/]+")
    return re.fullmatch(pattern, node_name) is not None
