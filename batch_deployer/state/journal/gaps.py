"""Whether a journal may lack its last events, and for how long reads may then miss writes that it does not have."""

import struct
from pathlib import Path

from batch_deployer.model.events import RunFinished, RunStarted
from batch_deployer.state.lock.process import Host, Stamp

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def is_log_torn(journal: Path) -> bool:
    """Whether the write-ahead log of a journal that was not closed is gone, empty or cut within a frame.

    A journal that is not there, or is of size 0, has lost nothing: nothing has left before its first commit.
    """
    if not journal.exists() or not journal.stat().st_size:
        return False
    log = journal.with_name(journal.name + "-wal")
    try:
        with log.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        size = log.stat().st_size
    except OSError:
        return True
    if len(header) < _HEADER_BYTES:
        return True
    page = struct.unpack_from(">I", header, 8)[0]  # https://sqlite.org/fileformat2.html#walformat
    return bool((size - _HEADER_BYTES) % (page + _FRAME_HEADER_BYTES))


def lost_reads(
    last: RunStarted | RunFinished | None, here: Host, now: Stamp, *, torn: bool, staleness: float
) -> tuple[float, str]:
    """Seconds for which reads may not show writes that the journal has lost, and why it may have lost some.

    `last`: the last start or end of the run in its journal. `torn`: see `is_log_torn`. `staleness`: seconds by which a
    read may be behind. A process that dies loses nothing of what the system has taken; a host that restarts may, where
    a disk confirms a sync that it has not done. Whatever left before that left before the boot.
    """
    if isinstance(last, RunFinished):
        return 0.0, ""
    if last is not None and last.boot != here.boot:
        before_boot = now.boot if last.host == here.host else 0.0
        return max(0.0, staleness - before_boot), "the host has restarted since"
    return (staleness, "its log is cut off") if torn else (0.0, "")
