"""Fills in `${env:NAME}` all over a manifest, and checks every other placeholder for being allowed where it stands."""

from batch_deployer.manifest.desk import IN_VALUES, Desk
from batch_deployer.manifest.interpolate import Allow
from batch_deployer.manifest.tree import Node

_DESCRIBED = {
    "values": IN_VALUES,
    "description": Allow.ENV | Allow.PLAN,
    "parameters": Allow.ENV | Allow.PLAN,
}
_PARTS = (("releases", "*"), ("deployments", "*"), ("clusters", "*"), ("defaults", "release"))
_RULES: dict[tuple[str, ...], Allow] = {
    **{(*part, key): allow for part in _PARTS for key, allow in _DESCRIBED.items()},
    **{("profiles", "*", "defaults", "release", key): allow for key, allow in _DESCRIBED.items()},
    ("clouds", "*", "auth"): Allow.ENV | Allow.SECRET,
    ("profiles", "*", "clouds", "*", "auth"): Allow.ENV | Allow.SECRET,
}
_BRANCHES = frozenset(rule[:depth] for rule in _RULES for depth in range(len(rule) + 1))


def settle(node: Node, desk: Desk, path: tuple[str, ...] = ()) -> Node:
    """The tree with placeholders filled in; faults go to the desk."""
    if path in _RULES:
        return desk.node(node, _RULES[path])
    if path not in _BRANCHES:
        return desk.node(node, Allow.ENV)
    if isinstance(node.value, list):
        return Node([settle(item, desk, (*path, "*")) for item in node.value], node.place)
    if isinstance(node.value, dict):
        below = {name: settle(item, desk, _step(path, name)) for name, item in node.value.items()}
        return Node(below, node.place, keys=node.keys)
    return desk.node(node, Allow.ENV)


def _step(path: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (*path, name) if (*path, name) in _BRANCHES else (*path, "*") if (*path, "*") in _BRANCHES else (*path, name)
