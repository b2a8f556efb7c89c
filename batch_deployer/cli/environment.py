"""Variables of the environment that set options: names, empty values, misspelt ones, and those that Kubernetes makes."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

import click

from batch_deployer.cli.error_handler import echo
from batch_deployer.errors import Diagnostic, InputError

PREFIX = "BATCH_DEPLOYER"
OTHER_VARIABLES = frozenset({f"{PREFIX}_PLAN_KEY"})
"""Variables that set no option."""
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
_SERVICE_NAME = re.compile(
    rf"{PREFIX}(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SIMILAR = 0.75
_TELLING = 4
"""Characters from which on a value in an error tells where it is from."""


def variables_of(command: click.Command, name: str) -> dict[str, str]:
    """Each variable that sets an option of the command, with that option."""
    found: dict[str, str] = {}
    for param in command.params:
        if isinstance(param, click.Option) and param.allow_from_autoenv:
            option = max(param.opts, key=len)
            given = [param.envvar] if isinstance(param.envvar, str) else param.envvar or ()
            for variable in (*given, _variable(name, option), _variable(name, param.name or "")):
                found[variable] = option
    return found


def _variable(name: str, option: str) -> str:
    return f"{PREFIX}_{name}_{option.lstrip('-')}".upper().replace("-", "_")


def refuse_empty_arguments(arguments: Sequence[str]) -> None:
    """Raise InputError for an empty value on the command line: `--report ""` would mean the working folder."""
    diagnostics = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        option, equals, value = argument.partition("=")
        if not argument.strip():
            named = before if before.startswith("-") else "an argument"
            diagnostics.append(Diagnostic(f'{named} "{argument}" is empty; give it a value or leave it out'))
        elif option.startswith("--") and equals and not value.strip():
            diagnostics.append(Diagnostic(f'{option} "{value}" is empty; give it a value or leave it out'))
    if diagnostics:
        raise InputError(diagnostics)


def resolve_variables(variables: dict[str, str], environ: MutableMapping[str, str], known: Iterable[str] = ()) -> None:
    """Remove what Kubernetes made, warn of misspelt variables, and raise InputError for empty ones.

    `variables`: those of the command that is called; `known`: those of all commands, read only when needed.
    """
    diagnostics = []
    for variable, option in variables.items():
        value = environ.get(variable)
        if value is None:
            continue
        if _SERVICE_ADDRESS.fullmatch(value):
            echo(
                f"note: {variable}={value} is ignored: Kubernetes sets it for a Service of that name; "
                f"use {option}, or enableServiceLinks: false"
            )
            del environ[variable]
        elif not value.strip():
            diagnostics.append(
                Diagnostic(f"the variable {variable} is empty; set it to a value for {option}, or unset it")
            )
    strange = [
        name
        for name in environ
        if name.startswith(f"{PREFIX}_") and name not in variables and name not in OTHER_VARIABLES
    ]
    for warning in _misspelt(strange, known) if strange else ():
        echo(warning)
    if diagnostics:
        raise InputError(diagnostics)


def _misspelt(names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    everything = {*known, *OTHER_VARIABLES}
    for name in sorted(set(names) - everything):
        if not _SERVICE_NAME.fullmatch(name):
            near = _nearest(name, everything)
            yield f"warning: the variable {name} sets nothing" + (f"; did you mean {near}?" if near else "")


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    # The prefix, which all have, would make all of them alike.
    ends = {variable.removeprefix(f"{PREFIX}_"): variable for variable in known}
    end = name.removeprefix(f"{PREFIX}_")
    close = difflib.get_close_matches(end, ends, n=1, cutoff=_SIMILAR)
    same_option = sorted(variable for short, variable in ends.items() if short.endswith(f"_{end}"))
    return ends[close[0]] if close else next(iter(same_option), "")


def with_variable(error: click.BadParameter, environ: Mapping[str, str]) -> click.BadParameter:
    """The error, naming the variable where the wrong value came from the environment."""
    context, param = error.ctx, error.param
    if context is None or not isinstance(param, click.Option) or not param.name:
        return error
    if context.get_parameter_source(param.name) is not click.core.ParameterSource.ENVIRONMENT:
        return error
    option = max(param.opts, key=len)
    variables = variables_of(context.command, context.info_name or "")
    named = next((name for name, of in variables.items() if of == option and environ.get(name)), "")
    message = f"{error.message} (the value is from the variable {named})"
    return click.BadParameter(message, context, param, error.param_hint)


def naming_variables(error: InputError, variables: Mapping[str, str], environ: Mapping[str, str]) -> InputError:
    """The error, naming the variable where it is about an option, or a value, that came from the environment."""
    diagnostics = []
    for diagnostic in error.diagnostics:
        source = next(
            (name for name, option in variables.items() if _is_about(str(diagnostic), option, environ[name])), ""
        )
        suffix = f" ({variables[source]} is set by the variable {source})" if source else ""
        diagnostics.append(dataclasses.replace(diagnostic, message=diagnostic.message + suffix))
    return InputError(diagnostics)


def _is_about(text: str, option: str, value: str) -> bool:
    named = re.search(rf"{re.escape(option)}(?![\w-])", text) is not None
    return named or (len(value) >= _TELLING and value in text)
