"""Whether an error comes from something that the system did not grant this process: files, threads, memory."""

import resource
from pathlib import Path

from batch_deployer.errors import shortage

_NEAR_LIMIT = 0.8
"""Share of the limit of the address space from which errors of any type, also of libraries, are taken to come from it."""


def shortage_behind(error: BaseException) -> str:
    """What the system did not grant, and the remedy; empty for any other error."""
    if found := shortage(error):
        return found
    return f"{shortage(MemoryError())} ({type(error).__name__})" if _is_memory_exhausted() else ""


def _is_memory_exhausted() -> bool:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError, MemoryError):
        return False
    return pages * resource.getpagesize() > _NEAR_LIMIT * limit
