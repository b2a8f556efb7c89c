"""What a run may still write that is not the last one to have written its deployments."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_deployer.errors import JournalError

if TYPE_CHECKING:
    from batch_deployer.app.past_runs import RecordedRun

force_older_option = click.option(
    "--force-older",
    is_flag=True,
    help="Write also the deployments that a later run has written since. They are left as they are otherwise.",
)


def left_meanwhile(
    state_folder: Path, past: "RecordedRun", keys: Iterable[str], *, force: bool, told: str
) -> Callable[[], tuple[Mapping[str, str], str]]:
    """`left_to_later`, to be asked once the lock is held: a run may have ended while it was waited for.

    `told`: the sentence of the first time, which the report has already.
    """

    def ask() -> tuple[Mapping[str, str], str]:
        left, note = left_to_later(state_folder, past, keys, force=force)
        return left, "" if note == told else note

    return ask


def left_to_later(
    state_folder: Path, past: "RecordedRun", keys: Iterable[str], *, force: bool
) -> tuple[Mapping[str, str], str]:
    """Those of `keys` to leave as they are, each with the later run that wrote it, and a sentence for the user and the report.

    Nothing and an empty text when no later run wrote one of them. `force`: none is left. JournalError when that cannot be
    told, since the journal of a later run cannot be read.
    """
    from batch_deployer.app.past_runs import superseded

    try:
        later = superseded(state_folder, past, keys)
    except JournalError as error:
        if not force:
            raise JournalError(f"{error}; --force-older goes on without knowing what that run wrote") from error
        return {}, f"--force-older: what a later run wrote is not known: {error}"
    if not later:
        return {}, ""
    runs = ", ".join(sorted(set(later.values())))
    what = f"{len(later):,} deployment{'' if len(later) == 1 else 's'} written since by run {runs}"
    if force:
        return {}, f"--force-older: {what} {'is' if len(later) == 1 else 'are'} written again"
    return later, f"left as it is: {what}; --force-older writes them all the same"
