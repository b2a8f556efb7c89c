"""`completion`: print the script that completes commands and options in a shell."""

import click
from click.shell_completion import get_completion_class

from batch_deployer.cli.options import examples
from batch_deployer.cli.terminal import show


@click.command(
    "completion",
    short_help="Print a shell's completion script.",
    epilog=examples("completion bash > ~/.local/share/bash-completion/completions/batch-deployer"),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choice above are click's own shells
    root = ctx.find_root()
    show([kind(root.command, {}, "batch-deployer", "_BATCH_DEPLOYER_COMPLETE").source(), "\n"])
    return 0
