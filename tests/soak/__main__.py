"""Every soak in this folder, one after the other: what `make soak` runs. 1 when any of them found anything.

A soak is a script beside this one with a `main(arguments) -> int`; what has none is a helper of theirs.
"""

import importlib
import sys
from pathlib import Path


def soaks() -> list[str]:
    """Names of the scripts, sorted."""
    here = Path(__file__).parent
    return sorted(
        path.stem for path in here.glob("*.py") if path.stem != "__main__" and "\ndef main(" in path.read_text()
    )


def main() -> int:
    """Run them all, even after one has failed."""
    codes = []
    for name in soaks():
        codes.append(importlib.import_module(name).main([]))
        sys.stdout.flush()
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
