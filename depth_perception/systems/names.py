"""One-to-one maps between our parameter names and those of the authors' files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

_FIELD = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True)
class NameRule:
    """Names that begin with ``ours`` begin with ``official`` in the authors' files.

    ``{0}`` in ``ours`` stands for a number, and ``{n}`` in ``official`` for that number plus n.
    """

    ours: str
    official: str

    def apply(self, name: str) -> str | None:
        """The official form of ``name``, or None if the rule does not match."""
        pattern = re.escape(self.ours).replace(re.escape("{0}"), r"(\d+)")
        match = re.match(pattern + r"(?=\.|$)", name)
        if match is None:
            return None
        index = int(match.group(1)) if match.groups() else 0
        official = _FIELD.sub(lambda field: str(index + int(field.group(1))), self.official)
        return official + name[match.end() :]


def dpt_rules(ours: str, official: str) -> tuple[NameRule, ...]:
    """The rules of a :class:`~depth_perception.layers.DptHead` named ``ours``, whose name in
    files of the Depth Anything family is ``official``."""
    return (
        NameRule(f"{ours}.project", f"{official}.projects"),
        NameRule(f"{ours}.rescale", f"{official}.resize_layers"),
        NameRule(f"{ours}.reduce.{{0}}", f"{official}.scratch.layer{{1}}_rn"),
        NameRule(f"{ours}.fuse.{{0}}.skip", f"{ours}.fuse.{{0}}.resConfUnit1"),
        NameRule(f"{ours}.fuse.{{0}}.refine", f"{ours}.fuse.{{0}}.resConfUnit2"),
        NameRule(f"{ours}.fuse.{{0}}.out", f"{ours}.fuse.{{0}}.out_conv"),
        NameRule(f"{ours}.fuse.{{0}}", f"{official}.scratch.refinenet{{1}}"),
        NameRule(f"{ours}.neck", f"{official}.scratch.output_conv1"),
        NameRule(f"{ours}.out", f"{official}.scratch.output_conv2"),
    )


def official_names(names: Iterable[str], rules: Iterable[NameRule], prefix: str) -> dict[str, str]:
    """Map each of our ``names`` to its official name: all rules in order, then the prefix.

    Raises:
        ValueError: two of our names would share one official name.
    """
    mapped = {}
    rules = tuple(rules)
    for ours in names:
        official = ours
        for rule in rules:
            official = rule.apply(official) or official
        mapped[ours] = prefix + official
    if len(set(mapped.values())) != len(mapped):
        raise ValueError("the name rules send two parameters to one official name")
    return mapped


class OfficialNames:
    """Base of networks whose parameters have other names in the authors' files.

    Attributes:
        rules, prefix: lead from our names to the official ones, see :func:`official_names`.
    """

    rules: ClassVar[tuple[NameRule, ...]] = ()
    prefix: ClassVar[str] = ""

    def official_names(self) -> dict[str, str]:
        """Map the name of every state dict entry to its name in the authors' files."""
        return official_names(self.state_dict(), self.rules, self.prefix)  # type: ignore[attr-defined]
