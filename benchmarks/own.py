"""What a measured process tells of itself. Loads next to nothing, as its imports count as those of what is measured."""

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def own_cpu() -> float:
    """Seconds of a core that this process used so far."""
    return time.process_time()


def own_peak() -> int:
    """Most bytes that this process ever held. Not by `getrusage` on Linux: its figure survives `exec`, so it is the parent's."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
