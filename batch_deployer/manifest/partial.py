"""Names that broken items refer to: an item with one fault should not hide that it has a second."""

from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.nodes import Node
from batch_deployer.manifest.validation import ValidatedManifest
from batch_deployer.util.suggest import unknown


def check_names(checked: ValidatedManifest, context: LoadContext) -> None:
    """Note unknown clouds and releases that left-out clusters, releases and deployments name."""
    refs, clouds = checked.refs(), checked.names("clouds")
    for node in checked.left_out("releases"):
        for need in node.mapping["needs"].items if "needs" in node.mapping else ():
            _known("release", need, refs, context)
    for node in checked.left_out("deployments"):
        if "release" in node.mapping:
            _known("release", node.mapping["release"], refs, context)
    for node in checked.left_out("clusters"):
        if "cloud" in node.mapping:
            _known("cloud", node.mapping["cloud"], clouds, context)


def _known(kind: str, node: Node, names: set[str], context: LoadContext) -> None:
    if isinstance(node.value, str) and node.value not in names:
        context.report(node.location, unknown(kind, node.value, names))
