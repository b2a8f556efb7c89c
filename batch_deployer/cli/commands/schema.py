"""`schema`: the JSON Schema of a manifest, for editors."""

import json

import click

from batch_deployer.cli.options import examples


@click.command(
    "schema", short_help="Print the JSON Schema of a manifest.", epilog=examples("schema > manifest.schema.json")
)
def command() -> int:
    """Print the JSON Schema of a manifest."""
    from batch_deployer.cli.terminal import show
    from batch_deployer.manifest.schema import json_schema

    show([json.dumps(json_schema(), indent=2, ensure_ascii=False), "\n"])
    return 0
