"""A whole run in a process of its own: the command line as users call it, with a watch on the event loop's lag."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lag import watch_lag
from own import own_cpu, own_peak, quantile

if TYPE_CHECKING:
    from batch_deployer.plan.plan import Plan


def main() -> None:
    """Run `batch-deployer run MANIFEST`, with the journal on disk or in memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--journal", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--unshared", action="store_true", help="with rate limits that no other run could share")
    parser.add_argument("--lag", action="store_true")
    parser.add_argument("--first-look", type=float, help="seconds, where installs end at once")
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    lags: list[float] = []
    if options.journal == "memory":
        _without_disk()
    if options.unshared:
        _share_nothing()
    if options.first_look is not None:
        _look_sooner(options.first_look)
    if options.lag:
        watch_lag(lags)
    from batch_deployer.cli.main import main as command  # noqa: PLC0415 - its imports are part of what is measured

    started = time.monotonic()
    sys.argv = ["batch-deployer", "run", str(options.manifest), "--state-dir", str(options.state), "--yes"]
    code = command()
    size = sum(path.stat().st_size for path in options.state.rglob("journal.db*"))
    told = {"cpu": own_cpu(), "wall": time.monotonic() - started, "rss": own_peak(), "journal_bytes": size}
    if lags:
        told |= {"lag_p50": quantile(lags, 0.5), "lag_p99": quantile(lags, 0.99), "lag_max": max(lags)}
    options.result.write_text(json.dumps(told))
    sys.stdout.flush()
    sys.exit(code or 0)


def _without_disk() -> None:
    """Replace the journal in SQLite by the one in memory."""
    from batch_deployer.app import runner  # noqa: PLC0415 - see above
    from batch_deployer.state.journal.memory import MemoryJournal  # noqa: PLC0415 - see above

    composed: Any = runner
    composed.SqliteJournal = lambda _path: MemoryJournal()


def _share_nothing() -> None:
    """Replace the rate limits in the state folder by those of the process alone."""
    from batch_deployer.app import runner  # noqa: PLC0415 - see above

    @contextlib.asynccontextmanager
    async def unshared(*_given: object, **_named: object) -> AsyncIterator[dict[str, Any]]:
        yield {}

    patched: Any = runner
    patched.shared_limits = unshared


def _look_sooner(seconds: float) -> None:
    """Watch installs that end at once."""
    from batch_deployer.cli import plan_output  # noqa: PLC0415 - see above

    chosen_plan = plan_output.chosen_plan

    def sooner(*given: Any, **named: Any) -> "Plan":
        plan = chosen_plan(*given, **named)
        poll = replace(plan.settings.poll, initial_delay=seconds, min_interval=seconds)
        return replace(plan, settings=replace(plan.settings, poll=poll))

    patched: Any = plan_output
    patched.chosen_plan = sooner


if __name__ == "__main__":
    main()
