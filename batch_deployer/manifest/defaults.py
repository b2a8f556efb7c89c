"""Fills in `${env:NAME}` all over a manifest, and checks every other placeholder for being allowed where it stands."""

from batch_deployer.manifest.context import IN_VALUES, LoadContext
from batch_deployer.manifest.interpolation import Allow
from batch_deployer.manifest.nodes import Node

_NOTHING = Allow(0)
"""For hosts and ids: a variable there could name another host, or be read by the one that is named."""
_AUTH_IDS = ("domain_id", "project_id", "project_domain_id", "agency_domain_id")
_DESCRIBED = {
    "values": IN_VALUES,
    "description": Allow.ENV | Allow.PLAN,
    "parameters": Allow.ENV | Allow.PLAN,
}
_LOGIN = Allow.ENV | Allow.SECRET | Allow.LOGIN
_IN_CLOUDS: dict[tuple[str, ...], Allow] = {
    ("endpoint",): _NOTHING,
    ("project_id",): _NOTHING,
    ("auth", "*"): _LOGIN,
    **{("auth", key): _NOTHING for key in ("auth_url", *_AUTH_IDS)},
}
_PARTS = (("releases", "*"), ("deployments", "*"), ("clusters", "*"), ("defaults", "release"))
_RULES: dict[tuple[str, ...], Allow] = {
    **{(*part, key): allow for part in _PARTS for key, allow in _DESCRIBED.items()},
    **{("profiles", "*", "defaults", "release", key): allow for key, allow in _DESCRIBED.items()},
    **{("clouds", "*", *key): allow for key, allow in _IN_CLOUDS.items()},
    **{("profiles", "*", "clouds", "*", *key): allow for key, allow in _IN_CLOUDS.items()},
    ("clusters", "*", "id"): _NOTHING,
    ("releases", "*", "chart", "id"): _NOTHING,
}
_BRANCHES = frozenset(rule[:depth] for rule in _RULES for depth in range(len(rule) + 1))


def resolve_defaults(node: Node, context: LoadContext, path: tuple[str, ...] = ()) -> Node:
    """The tree with placeholders filled in; faults go to the desk."""
    if path in _RULES:
        return context.node(node, _RULES[path])
    if path not in _BRANCHES:
        return context.node(node, Allow.ENV)
    if isinstance(node.value, list):
        return Node([resolve_defaults(item, context, (*path, "*")) for item in node.value], node.location)
    if isinstance(node.value, dict):
        below = {name: resolve_defaults(item, context, _step(path, name)) for name, item in node.value.items()}
        return Node(below, node.location, keys=node.keys)
    return context.node(node, Allow.ENV)


def _step(path: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (*path, name) if (*path, name) in _BRANCHES else (*path, "*") if (*path, "*") in _BRANCHES else (*path, name)
