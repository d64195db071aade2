"""``python -m depth_perception.demo``: the command ``depth-perception demo``."""

from __future__ import annotations

import sys

from ..cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
