#!/usr/bin/env python3
"""Compare the installed packages with the releases in known_holes.txt.

Exit status: 0 without any of them, 1 with one (each is printed with its reason).
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

LIST = Path(__file__).with_name("known_holes.txt")


def rejected() -> list[tuple[Requirement, str]]:
    """The releases of the list and why each is rejected."""
    lines = (line.partition("#") for line in LIST.read_text(encoding="utf-8").splitlines())
    return [(Requirement(name), why.strip()) for name, _, why in lines if name.strip()]


def main() -> int:
    found = 0
    for requirement, why in rejected():
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            continue
        if requirement.specifier.contains(installed, prereleases=True):
            found += 1
            print(f"{requirement.name} {installed} is installed: {why}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
