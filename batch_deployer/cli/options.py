"""Options and argument types that several commands share, each with its name in the environment."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from batch_deployer.cli.context import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Decorator = Callable[[Decorated], Decorated]


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """A text that one of our own parsers understands; its ValueError becomes the usage error."""

    def __init__(self, name: str, parse: Callable[[str], Any], *, separators: str = " ") -> None:
        """`separators`: what parts several texts in one variable."""
        self.name = name
        self._parse = parse
        self._separators = separators

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text; anything else was parsed before."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def split_envvar_value(self, rv: str) -> list[str]:
        """The texts of a variable."""
        for separator in self._separators:
            rv = rv.replace(separator, "\n")
        return [text.strip() for text in rv.split("\n") if text.strip()]


class NamedOption(click.Option):
    """An option whose parameter has another name; its variable is called after the option all the same."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of the variable of the option's own name."""
        name = max(self.opts, key=len).lstrip("-").upper().replace("-", "_")
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{name}") or super().resolve_envvar_value(ctx)


def _duration(text: str) -> float:
    from batch_deployer.settings import parse_duration

    return parse_duration(text)


DURATION = Parsed("duration", _duration)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


def examples(*lines: str, title: str = "Example") -> str:
    """The end of a command's help: how it is called."""
    return "\n".join(("\b", f"{title}:", *(f"  batch-deployer {line}" for line in lines)))


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (equals and old.strip() and new.strip()):
        raise ValueError(f"{text!r} is not a mapping; write OLD=NEW with two cluster names or ids")
    return old.strip(), new.strip()


def together(*decorators: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Several decorators as one, applied in the order in which they are listed in the help."""

    def decorate(function: Decorated) -> Decorated:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


manifest_argument = click.argument("manifest", type=FILE)

state_dir_option = click.option(
    "--state-dir",
    type=FOLDER,
    envvar="BATCH_DEPLOYER_STATE_DIR",
    show_envvar=True,
    help="Folder of runs, locks and learned rates. Default: the user's state folder.",
)


def same_state() -> str:
    """The option --state-dir as this call gave it, for a command that the user may copy; empty when it did not."""
    context = click.get_current_context()
    if context.get_parameter_source("state_dir") is not click.core.ParameterSource.COMMANDLINE:
        return ""  # the environment says so to the next command as well
    import shlex

    return f" --state-dir {shlex.quote(str(context.params['state_dir']))}"


def _host(text: str) -> str:
    from batch_deployer.model.permissions import host_glob

    return host_glob(text)


def _rate(text: str) -> str:
    from batch_deployer.settings import Rate

    Rate.parse(text)
    return text


def _folder(text: str) -> str:
    path = Path(text).expanduser()
    if not text.strip() or not path.is_dir():
        raise ValueError(f"there is no folder {text!r}")
    return str(path.resolve())


def _permit(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value is None:
        return
    session = context.ensure_object(Session)
    given: Any = tuple(value) if isinstance(value, list | tuple) else value
    session.permissions = dataclasses.replace(session.permissions, **{str(option.name): given})


secrets_option = click.option(
    "--allow-secrets",
    "secret_folders",
    metavar="DIR",
    type=Parsed("folder", _folder, separators=os.pathsep),
    multiple=True,
    expose_value=False,
    callback=_permit,
    envvar="BATCH_DEPLOYER_ALLOW_SECRETS",
    show_envvar=True,
    help="Folder that ${secret:file:...} may read, besides the manifest's own; may be repeated.",
)

permission_options = together(
    click.option(
        "--allow-host",
        "hosts",
        metavar="GLOB",
        type=Parsed("host", _host, separators=", "),
        multiple=True,
        expose_value=False,
        callback=_permit,
        envvar="BATCH_DEPLOYER_ALLOW_HOSTS",
        show_envvar=True,
        help="Host that the manifest may send credentials to; may be repeated.",
    ),
    secrets_option,
    click.option(
        "--max-writes",
        metavar="RATE",
        type=Parsed("rate", _rate),
        expose_value=False,
        callback=_permit,
        help="Most writes to one cloud that limits may ask for. Default: 60/min, except on loopback.",
    ),
    click.option(
        "--max-reads",
        metavar="RATE",
        type=Parsed("rate", _rate),
        expose_value=False,
        callback=_permit,
        help="Most reads of one cloud that limits may ask for. Default: 50/s, except on loopback.",
    ),
    click.option(
        "--clouds-from-cwd",
        "clouds_from_cwd",
        is_flag=True,
        expose_value=False,
        callback=_permit,
        envvar="BATCH_DEPLOYER_CLOUDS_FROM_CWD",
        show_envvar=True,
        help="Also look for clouds.yaml in the working folder.",
    ),
)
"""What the operator allows a manifest to name; docs/security.md explains it."""

profile_option = click.option("--profile", metavar="NAME", help="Overlay one of the manifest's profiles.")

chosen_options = together(
    profile_option,
    click.option("--limit", metavar="GLOB", multiple=True, help="Only deployments that match; may be repeated."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="Not deployments that match; may be repeated."),
    click.option(
        "--wave", "waves", cls=NamedOption, metavar="NAME", multiple=True, help="Only this wave; may be repeated."
    ),
    click.option(
        "--map",
        "maps",
        cls=NamedOption,
        metavar="OLD=NEW",
        type=Parsed("mapping", _pair),
        multiple=True,
        help="Put what is meant for cluster OLD onto cluster NEW; may be repeated.",
    ),
    click.option(
        "--exact-values", is_flag=True, help="Upgrade where a cloud shows values that the manifest does not name."
    ),
    click.option("--map-file", type=FILE, help="CSV of such mappings, with the header old,new."),
)
"""Which of the manifest's deployments, and where to; GLOBs match keys, cluster names and release names."""

wait_option = click.option(
    "--wait",
    type=DURATION,
    metavar="DURATION",
    help="Wait so long for clouds that do not answer. Default: 60s, or give_up_after if that is shorter.",
)

log_format_option = click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    show_default=True,
    envvar="BATCH_DEPLOYER_LOG_FORMAT",
    show_envvar=True,
    help="How events are told on stderr.",
)
