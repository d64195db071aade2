"""Writes ``config/NODE.yaml`` and ``docs/parameters.md`` from the parameters of the nodes.

Run ``python -m depth_perception.ros.parameters.write`` in the root of the repository after a change
of a parameter. It needs no ROS.
"""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...options import Option, option_of, options
from .node import NodeSettings
from .panoramic import PanoramicSettings
from .pinhole import PanopticSettings, PinholeSettings

NODES = MappingProxyType(
    {"panoramic": PanoramicSettings, "pinhole": PinholeSettings, "panoptic": PanopticSettings}
)
"""Parameters by stem: the node is called STEM_depth."""

COMMAND = "python -m depth_perception.ros.parameters.write"
_WIDTH = 100
_TYPES = MappingProxyType({bool: "bool", int: "int", float: "double", str: "string"})
_HEADER = f"""\
Written by `{COMMAND}`: change texts and defaults in ros/parameters/, scale/options.py and
systems/*/options.py of the package, then run it again.

Real numbers need a point (1.0, not 1). The brackets behind a text tell the unit, the allowed
values, and when a parameter may change: while running; on configure, so that a node that is
configured rejects a change until it is cleaned up; or at start only.
"""
_DOCUMENT = f"""\
# Parameters of the nodes

Written by `{COMMAND}` from `ros/parameters/`, `scale/options.py` and `systems/*/options.py` of the
package, as the parameter files in `config/`, which hold every parameter at its default.
`ros2 param describe` shows the same text. *Changes* says when a parameter may change: while
running; on *configure*, so that a node that is configured rejects a change until it is cleaned up;
or at *start* only.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all files below the folder that is given, or the current one; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    root = Path(given[0] if given else ".")
    for name, text in generated_files().items():
        (root / name).write_text(text, encoding="utf-8")
    return 0


def generated_files() -> dict[str, str]:
    """The text of every generated file by its path in the repository."""
    files = {f"config/{stem}.yaml": parameter_file(stem, kind) for stem, kind in NODES.items()}
    return {**files, "docs/parameters.md": document()}


def parameter_file(stem: str, kind: type[NodeSettings]) -> str:
    """The parameter file of a node, with all parameters at their defaults."""
    header = f"{_documentation(kind)}\n\n{_HEADER}"
    paragraphs = header.strip().split("\n\n")
    lines = [line for text in paragraphs for line in (*_comment(text, ""), "#")]
    return "\n".join([*lines[:-1], "/**:", "  ros__parameters:", *_entries(kind, " " * 4), ""])


def document() -> str:
    """The tables of all parameters, in Markdown."""
    parts = [_DOCUMENT]
    for stem, kind in NODES.items():
        rows = "\n".join(_row(*each) for each in options(kind))
        parts.append(
            f"## {stem}_depth\n\n{_documentation(kind)}\n\n"
            "| Parameter | Type | Default | Unit | Values | Changes | Meaning |\n"
            f"|---|---|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _entries(kind: type[Any], indent: str) -> Iterator[str]:
    """Lines of a group: its own parameters, then the groups in it."""
    groups = []
    for item in fields(kind):
        if (said := option_of(item)) is None:
            groups.append(item)
            continue
        notes = "; ".join(filter(None, (said.unit, said.values, _lifetime(said))))
        yield from _comment(f"{said.text} [{notes}]", indent)
        yield f"{indent}{item.name}: {_shown(said.typed_default(item.default))}"
        yield ""
    for item in groups:
        yield from _comment(_documentation(item.default_factory), indent)
        yield f"{indent}{item.name}:"
        yield from _entries(item.default_factory, f"{indent}  ")


def _row(name: str, said: Option, default: Any) -> str:
    default = said.typed_default(default)
    kind = _TYPES[type(default[0] if isinstance(default, tuple) else default)]
    kind += "[]" if isinstance(default, tuple) else ""
    lifetime = _lifetime(said).rpartition(" ")[2]
    cells = (f"`{name}`", kind, f"`{_shown(default)}`", said.unit, said.values, lifetime)
    return f"| {' | '.join(cells)} | {said.text} |"


def _lifetime(said: Option) -> str:
    if said.read_only:
        return "at start"
    return "on configure" if said.reload else "while running"


def _shown(value: Any) -> str:
    """A value in YAML, which agrees with JSON where no name or date is meant."""
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str, indent: str) -> list[str]:
    width = _WIDTH - len(indent) - 2
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [f"{indent}# {line}" for line in lines]


def _documentation(kind: type[Any]) -> str:
    """The docstring of a dataclass as a paragraph for users."""
    return " ".join((inspect.getdoc(kind) or "").replace("``", "`").split())


if __name__ == "__main__":
    sys.exit(main())
