"""From an error to an exit code and one clear line; and a crash file for what is our fault."""

import contextlib
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from batch_deployer import __version__
from batch_deployer.app.shortages import shortage_behind
from batch_deployer.app.signals import Stopped
from batch_deployer.cli.context import Session
from batch_deployer.cli.streams import trouble
from batch_deployer.errors import BatchDeployerError, IllegalTransition, InputError, OutOfResources

EXIT_CODES: dict[int, str] = {
    0: "all deployed, unchanged or, within max_deferred, deferred; a command did what it was asked",
    1: "some deployments did not succeed (plan --detailed-exitcode: would not), or a cloud, the journal or an output file cannot be used",
    2: "bad input: manifest, option, saved plan or state folder; nothing was sent",
    3: "a bug of ours; a crash file is named",
    4: "halted by a failure budget, a gate or an operator",
    5: "authentication or permission",
    6: "a deadline or window was missed",
    7: "another run holds the lock",
    8: "plan --detailed-exitcode: there are changes, and nothing is blocked",
    129: "ended by SIGHUP, resumable",
    130: "interrupted by SIGINT, resumable",
    131: "ended by SIGQUIT, resumable",
    143: "ended by SIGTERM, resumable",
}
"""Every exit code and its meaning: the one table behind the help, the README and the tests."""


_MOST = 4000
"""Characters of one line."""


def echo(text: str) -> None:
    """One line on stderr; never raises. What strangers wrote cannot steer the terminal or a CI system."""
    from batch_deployer.util.text import clean

    with contextlib.suppress(OSError, ValueError):
        click.echo(clean(text, _MOST), err=True)


def guarded(call: Callable[[], Any], session: Session) -> int:
    """Run a command and turn whatever it raises into an exit code. The last net: nothing passes but a kill."""
    try:
        code = call()
    except KeyboardInterrupt:
        echo("interrupted")
        return 130
    except Stopped as stopped:
        echo(f"stopped by {stopped}; nothing is under way")
        return 128 + stopped.number
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        echo("aborted; nothing was done")
        return 130
    except Exception as error:  # noqa: BLE001 - the last net; a bug gets a file, a user one line
        try:
            return failed(error, session)
        except MemoryError:  # a traceback needs some too
            os.write(2, b"error: no memory is left; raise the limit (ulimit -v, MemoryMax=)\n")
            return OutOfResources.exit_code
    code = code if isinstance(code, int) else 0
    if lost := trouble():
        echo(f"{'warning' if session.output_is_extra else 'error'}: {lost}; what was to be shown is lost")
        return code if session.output_is_extra else code or 1
    return code


def failed(error: BaseException, session: Session) -> int:
    """Say on stderr what is wrong and return the exit code; a bug of ours also gets a crash file."""
    known = innermost(error)
    if isinstance(known, InputError):
        for diagnostic in known.diagnostics:
            echo(session.redact(f"error: {diagnostic}"))
        return known.exit_code
    code, reason = judged(known)
    if code != IllegalTransition.exit_code:
        echo(session.redact(f"error: {reason}"))
        return code
    for line in _crash(error, session).split("\n"):
        echo(line)
    return code


def judged(error: BaseException) -> tuple[int, str]:
    """The exit code for an error, and its reason in one line: the same for the process, the report and the journal."""
    known = innermost(error)
    if isinstance(known, BatchDeployerError):
        return known.exit_code, str(known)
    if isinstance(known, Stopped):
        return 128 + known.number, f"stopped by {known}"
    if isinstance(known, KeyboardInterrupt):
        return 130, "interrupted"
    if reason := shortage_behind(known):
        return OutOfResources.exit_code, reason
    if isinstance(known, OSError) and known.filename is not None:
        return BatchDeployerError.exit_code, f"{known.filename}: {(known.strerror or str(known)).lower()}"
    return IllegalTransition.exit_code, f"ended by {type(known).__name__}, a bug of ours"


def innermost(error: BaseException) -> BaseException:
    """The first error of ours inside exception groups, else the error itself."""
    if isinstance(error, BaseExceptionGroup):
        inside = [innermost(one) for one in error.exceptions]
        return next((one for one in inside if isinstance(one, BatchDeployerError)), inside[0])
    return error


def _crash(error: BaseException, session: Session) -> str:
    import tempfile
    import traceback

    text = session.redact("".join(traceback.format_exception(error)))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    head = f"batch-deployer {__version__}, Python {sys.version.split()[0]} on {sys.platform}, {stamp}Z\n\n"
    summary = session.redact(f"{type(error).__name__}: {error}").splitlines()[0]
    folders: list[Path] = []
    with contextlib.suppress(OSError):
        folders.append(Path(tempfile.gettempdir()))
    with contextlib.suppress(InputError):
        folders.insert(0, session.state or session.use_state(None))
    for folder in folders:
        path = folder / f"crash-{stamp}-{os.getpid()}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(head + text)
        except OSError:
            continue
        return f"error: a bug of ours ({summary}); please report it with {path}"
    return f"error: a bug of ours ({summary}); no crash file could be written, so here is the trace:\n{text}"
