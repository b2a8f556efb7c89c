"""`--profile NAME`: a part of the manifest laid over the rest, as Helm merges values."""

from fnmatch import fnmatchcase

from batch_deployer.errors import InputError
from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.nodes import Node, overlay
from batch_deployer.util.suggest import unknown


def with_profile(tree: Node, name: str, context: LoadContext) -> Node:
    """The manifest's tree with one of its profiles laid over it. InputError when there is no such profile."""
    profiles = tree.mapping["profiles"].mapping if "profiles" in tree.mapping else {}
    if name not in profiles:
        raise InputError(unknown("profile", name, profiles))
    profile = profiles[name]
    policies = profile.mapping.get("releases")
    parts = {key: node for key, node in profile.mapping.items() if key != "releases"}
    if "clouds" in parts:
        parts["clouds"] = _known_clouds(tree, parts["clouds"], context)
    laid = overlay(tree, Node(parts, profile.location, keys=profile.keys))
    if policies is not None and "releases" in laid.mapping:
        laid.mapping["releases"] = _with_policies(laid.mapping["releases"], policies, context)
    return laid


def _known_clouds(tree: Node, clouds: Node, context: LoadContext) -> Node:
    """A profile changes clouds; it cannot add any."""
    names = tree.mapping["clouds"].mapping if "clouds" in tree.mapping else {}
    for cloud in clouds.mapping:
        if cloud not in names:
            context.report(clouds.keys[cloud], unknown("cloud", cloud, names))
    kept = {cloud: node for cloud, node in clouds.mapping.items() if cloud in names}
    return Node(kept, clouds.location, keys=clouds.keys)


def _with_policies(releases: Node, policies: Node, context: LoadContext) -> Node:
    """Each release with the policies whose name or glob fits it, in the order they are written."""
    refs = [str((item.mapping.get("alias") or item.mapping.get("name") or item).value) for item in releases.items]
    for glob in policies.mapping:
        if not any(fnmatchcase(ref, glob) for ref in refs):
            context.report(policies.keys[glob], unknown("release", glob, refs))
    changed = []
    for ref, item in zip(refs, releases.items, strict=True):
        laid = item
        for glob, policy in policies.mapping.items():
            if fnmatchcase(ref, glob):
                laid = overlay(laid, policy)
        changed.append(laid)
    return Node(changed, releases.location)
