"""Writes commands.md from the program's own help; a test compares the two. Run it after changing a command."""

from pathlib import Path

import click

from batch_deployer.cli.main import COMMANDS, group

HEAD = """\
# Commands

Written by `docs/commands.py` from the program's own help.
Every option can be set in the environment as `BATCH_DEPLOYER_<COMMAND>_<OPTION>`, for example `BATCH_DEPLOYER_RUN_DEADLINE=2h`.
A run is named by its id, the beginning of one, its manifest's name (the latest run) or `latest`.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(name) for name in COMMANDS)])


def _section(name: str) -> str:
    settings = {**group.context_settings, "terminal_width": 110, "max_content_width": 110}
    root = click.Context(group, info_name="batch-deployer", **settings)
    found = group.get_command(root, name)
    if found is None:
        raise KeyError(name)
    context = click.Context(found, info_name=name, parent=root)
    lines = "\n".join(line.rstrip() for line in found.get_help(context).splitlines())
    return f"## {name}\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    Path(__file__).with_name("commands.md").write_text(text(), encoding="utf-8")
