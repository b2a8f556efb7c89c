"""The `batch-deployer` program: a group whose commands are loaded when they are called."""

import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, cast

import click

from batch_deployer import __version__
from batch_deployer.app.garbage import collect_rarely
from batch_deployer.app.signals import heed
from batch_deployer.cli.context import Session
from batch_deployer.cli.environment import (
    naming_variables,
    refuse_empty_arguments,
    resolve_variables,
    variables_of,
    with_variable,
)
from batch_deployer.cli.error_handler import EXIT_CODES, echo, guarded
from batch_deployer.cli.options import examples
from batch_deployer.cli.streams import secure
from batch_deployer.errors import InputError

COMMANDS: tuple[str, ...] = (
    "validate",
    "check",
    "plan",
    "run",
    "resume",
    "retry",
    "rollback",
    "status",
    "runs",
    "report",
    "explain",
    "control",
    "diff",
    "prune",
    "rehearse",
    "snapshot",
    "simulator",
    "schema",
    "completion",
)
"""In the order in which one meets them; each is `batch_deployer.cli.<name>.command`."""

HELP_OPTIONS = ["-h", "--help"]
_VARIABLES = f"{__name__}.variables"
"""Key in the context's `meta`: the variables that set options of this call, each with its option."""
_EPILOG = (
    examples("validate manifest.yaml", "plan manifest.yaml", "run manifest.yaml", title="Begin with")
    + "\n\n\b\nExit codes:\n"
    + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
)


class LazyGroup(click.Group):
    """Imports a command's file only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order in which one meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None when there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = cast("click.Command", import_module(f"batch_deployer.cli.commands.{cmd_name}").command)
        # Told to the command itself: click keeps the help option of whoever asks first, with or without a parent.
        command.context_settings.setdefault("help_option_names", HELP_OPTIONS)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a suggestion when the name is nearly right."""
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]}?", ctx) from None
        if name is not None and command is not None and not ctx.resilient_parsing:
            refuse_empty_arguments(rest)
            variables = variables_of(command, name)
            resolve_variables(variables, os.environ, self._all_variables(ctx))
            ctx.meta[_VARIABLES] = {
                variable: option
                for variable, option in variables.items()
                if os.environ.get(variable) and not any(word.partition("=")[0] == option for word in rest)
            }
        return name, command, rest

    def _all_variables(self, ctx: click.Context) -> Iterator[str]:
        """The variables of all commands. Importing those takes its time, so that it is done only when this is read."""
        for name in COMMANDS:
            command = self.get_command(ctx, name)
            if command is not None:
                yield from variables_of(command, name)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, naming the variable that a wrong value is from."""
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            raise with_variable(error, os.environ) from None
        except InputError as error:
            raise naming_variables(error, ctx.meta.get(_VARIABLES, {}), os.environ) from error.__cause__


@click.group(
    cls=LazyGroup,
    epilog=_EPILOG,
    context_settings={
        "help_option_names": HELP_OPTIONS,
        "auto_envvar_prefix": "BATCH_DEPLOYER",
        "max_content_width": 110,
    },
)
@click.version_option(__version__, "-V", "--version", prog_name="batch-deployer", message="%(prog)s %(version)s")
def group() -> None:
    """Roll chart releases out to many Kubernetes clusters through the CCE API.

    Every option can be set in the environment as BATCH_DEPLOYER_<COMMAND>_<OPTION>.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program on the given arguments and return its exit code.

    Without arguments it runs on the process's own, and the process's standard streams become ones that never raise.
    """
    if arguments is None:
        secure()
        heed()
        try:
            os.getcwd()  # noqa: PTH109 - only asked whether there is one
        except OSError as error:
            echo(f"error: the working folder cannot be used ({(error.strerror or '').lower()}); change to another one")
            return 2
    collect_rarely()
    session = Session()
    chosen = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: group.main(chosen, prog_name="batch-deployer", standalone_mode=False, obj=session), session)
