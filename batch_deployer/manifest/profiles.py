"""`--profile NAME`: a part of the manifest laid over the rest, as Helm merges values."""

from fnmatch import fnmatchcase

from batch_deployer.errors import BadInput
from batch_deployer.manifest.desk import Desk
from batch_deployer.manifest.suggest import unknown
from batch_deployer.manifest.tree import Node, overlay


def with_profile(tree: Node, name: str, desk: Desk) -> Node:
    """The manifest's tree with one of its profiles laid over it. BadInput when there is no such profile."""
    profiles = tree.mapping["profiles"].mapping if "profiles" in tree.mapping else {}
    if name not in profiles:
        raise BadInput(unknown("profile", name, profiles))
    profile = profiles[name]
    policies = profile.mapping.get("releases")
    general = Node(
        {key: node for key, node in profile.mapping.items() if key != "releases"}, profile.place, keys=profile.keys
    )
    clouds = tree.mapping["clouds"].mapping if "clouds" in tree.mapping else {}
    for cloud, node in general.mapping["clouds"].mapping.items() if "clouds" in general.mapping else ():
        if cloud not in clouds:
            desk.fault(node.place, unknown("cloud", cloud, clouds))
    laid = overlay(tree, general)
    if policies is not None and "releases" in laid.mapping:
        laid.mapping["releases"] = _with_policies(laid.mapping["releases"], policies, desk)
    return laid


def _with_policies(releases: Node, policies: Node, desk: Desk) -> Node:
    """Each release with the policies whose name or glob fits it, in the order they are written."""
    refs = [str((item.mapping.get("alias") or item.mapping.get("name") or item).value) for item in releases.items]
    for glob in policies.mapping:
        if not any(fnmatchcase(ref, glob) for ref in refs):
            desk.fault(policies.keys[glob], unknown("release", glob, refs))
    changed = []
    for ref, item in zip(refs, releases.items, strict=True):
        laid = item
        for glob, policy in policies.mapping.items():
            if fnmatchcase(ref, glob):
                laid = overlay(laid, policy)
        changed.append(laid)
    return Node(changed, releases.place)
