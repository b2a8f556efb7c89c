"""Measures everything, each benchmark in a process of its own, one after the other; then draws and writes the page."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from common import HERE, RESULTS
from tables import BUILDERS


def main() -> int:
    """Run all, or those that are named. 1 when one of them could not be measured."""
    parser = argparse.ArgumentParser(description="Measure everything and write benchmarks/README.md.")
    parser.add_argument("only", nargs="*", help=f"any of {', '.join(BUILDERS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, measures nothing")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    options = parser.parse_args()
    if strange := [name for name in options.only if name not in BUILDERS]:
        parser.error(f"there is no benchmark {strange[0]!r}; take any of {', '.join(BUILDERS)}")
    started, failed = time.monotonic(), []
    for name in options.only or BUILDERS:
        print(f"== {name}", file=sys.stderr)
        command = [sys.executable, str(HERE / f"{name}.py"), "--out", str(options.out)]
        if subprocess.run(command + (["--quick"] if options.quick else []), check=False).returncode:
            failed.append(name)
    from page import write_page  # noqa: PLC0415 - what draws is loaded after what is measured
    from plots import draw  # noqa: PLC0415 - same

    draw(options.out)
    write_page(options.out, HERE / "README.md" if options.out == RESULTS else options.out / "README.md")
    print(f"all of it took {(time.monotonic() - started) / 60:.1f} minutes", file=sys.stderr)
    for name in failed:
        print(f"{name} could not be measured", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
