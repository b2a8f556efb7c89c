"""A whole run with a sample of its stack taken every few milliseconds of CPU: which part of the product uses how much."""

import argparse
import json
import signal
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

_EVERY = 0.001
"""Seconds of CPU between two samples; the kernel may count in coarser steps."""
_LOADING = "<frozen importlib._bootstrap>"


def main() -> None:
    """Run `batch-deployer run MANIFEST` and write how many samples each part was met in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    parts: Counter[str] = Counter()
    package = find_spec("batch_deployer")  # found, not loaded
    home = f"{Path(package.origin).parent}/" if package is not None and package.origin else ""

    def sample(_number: int, frame: FrameType | None) -> None:
        parts[_part(frame, home)] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)
    from batch_deployer.cli.main import main as command  # noqa: PLC0415 - its imports are part of what is measured

    sys.argv = ["batch-deployer", "run", str(options.manifest), "--state-dir", str(options.state), "--yes", "--quiet"]
    code = command()
    signal.setitimer(signal.ITIMER_PROF, 0)
    options.result.write_text(json.dumps({"parts": parts.most_common()}))
    sys.exit(code or 0)


def _part(frame: FrameType | None, home: str) -> str:
    """The innermost package of the product on the stack; loading modules and the loop itself are parts of their own.

    `home`: folder of the product, with a slash at its end. A checkout may have the product's name too.
    """
    found = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name == _LOADING:
            return "loading modules"
        if not found and name.startswith(home) and "/" in name[len(home) :]:
            found = name[len(home) :].partition("/")[0]
        if not found and name.endswith("asyncio/runners.py"):
            found = "event loop, sockets, threads"
        frame = frame.f_back
    return found or "the rest"


if __name__ == "__main__":
    main()
