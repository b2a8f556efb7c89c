"""What this process needs of the operating system: open files for connections, and threads. Checked before anything is sent."""

import mmap
import os
import resource
import threading
from dataclasses import replace

from batch_deployer.errors import OutOfResources, shortage
from batch_deployer.plan.plan import Plan

RESERVED_FILES = 10
"""Files open at once besides connections: journal, state.db, lock, reports, metrics, name lookups, a ping."""
FILES_PER_CLOUD = 1
"""A login, or a look-up of its name."""
_LOOP_THREADS = 4
"""Threads of the event loop for name look-ups, unless UV_THREADPOOL_SIZE says otherwise."""
_FREE_BYTES = 64 * 1024 * 1024
RUN_THREADS = 3
"""Threads of a run besides one for each login: lease, journal, shared limits."""


def fit_connections(plan: Plan) -> tuple[Plan, str]:
    """The plan with as many connections as files may be open, and a warning when these are fewer than it wants.

    Raises the soft limit as far as the hard one allows. Raises OutOfResources when not even one connection a cloud fits.
    """
    clouds = plan.clouds
    wanted = sum(cloud.limits.connections for cloud in clouds.values())
    others = _open_files() + RESERVED_FILES + FILES_PER_CLOUD * len(clouds)
    limit = _raise_file_limit(others + wanted)
    room = limit - others
    if room >= wanted or not clouds:
        return plan, ""
    if room < len(clouds):
        raise OutOfResources(
            f"this process may open {limit} files, and a run of this plan needs at least {others + len(clouds)}; "
            "raise the limit (`ulimit -n`, or LimitNOFILE of a service)"
        )
    share, more = divmod(room, len(clouds))
    fitted = {}
    for number, (name, cloud) in enumerate(clouds.items()):
        most = min(cloud.limits.connections, share + (number < more))
        fitted[name] = replace(cloud, limits=replace(cloud.limits, connections=most))
    used = sum(cloud.limits.connections for cloud in fitted.values())
    text = (
        f"this process may open {limit} files, which is enough for {used} of {wanted} connections; "
        "raise the limit (`ulimit -n`, or LimitNOFILE of a service) or set limits.connections"
    )
    return replace(plan, clouds=fitted), text


def check_threads(count: int) -> None:
    """Start so many threads and end them. Raises OutOfResources when they cannot be started."""
    done = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=done.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError) as error:
        raise OutOfResources(f"{shortage(error) or error}; nothing was sent") from error
    finally:
        done.set()
        for thread in started:
            thread.join()


def check_memory() -> None:
    """Raise OutOfResources unless some memory is left to a run: short of it, even threads of libraries end without a word."""
    try:
        mmap.mmap(-1, _FREE_BYTES).close()
    except (OSError, MemoryError) as error:
        raise OutOfResources(f"{shortage(MemoryError())}; nothing was sent") from error


def loop_threads() -> int:
    """Number of threads that the event loop starts at its first look-up of a name."""
    try:
        return max(1, min(1024, int(os.environ.get("UV_THREADPOOL_SIZE", ""))))
    except ValueError:
        return _LOOP_THREADS


def _raise_file_limit(wanted: int) -> int:
    """The number of files that may be open, after the soft limit was raised to what is wanted, if the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return max(soft, wanted)
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (OSError, ValueError):
        return soft
    return raised


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - names will do; one is the listing itself
    except OSError:
        return 16
