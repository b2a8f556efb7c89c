"""The `clouds:` of a manifest: where they are, how to log in, what they may be asked to do."""

from collections.abc import Mapping
from dataclasses import fields, replace

from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.identifiers import loopback
from batch_deployer.manifest.nodes import Node
from batch_deployer.manifest.schema import AuthModel, CloudModel, LimitsModel
from batch_deployer.manifest.validation import ValidatedManifest
from batch_deployer.model.cloud import NEEDED_OPTIONS, AuthSpec, CloudSpec
from batch_deployer.settings import Limits

_PLACE = ("auth_url", "domain", "domain_id", "project", "project_id", "project_domain", "project_domain_id")
_OPTIONAL = {
    "token": ("project_id",),
    "password": _PLACE,
    "agency": (*_PLACE, "agency_domain", "agency_domain_id"),
    "aksk": ("security_token", "form", "project_id"),
    "environment": ("form",),
}
_SECRET = ("token", "password", "secret_key", "security_token")
WIRE_NAMES = {"domain": "user_domain", "domain_id": "user_domain_id"}


def read_clouds(checked: ValidatedManifest, context: LoadContext) -> dict[str, CloudSpec]:
    """All clouds by name."""
    top = limits(Limits(), checked.model.limits)
    if not checked.model.clouds and not checked.broken:
        context.report(checked.tree.at("clouds").location, "`clouds` must not be empty")
    return {
        name: _cloud(name, shape, checked.tree.at("clouds", name), top, context)
        for name, shape in checked.model.clouds.items()
    }


def limits(base: Limits, over: LimitsModel | None) -> Limits:
    """`base` with what `over` sets."""
    given = {} if over is None else {each.name: getattr(over, each.name) for each in fields(Limits)}
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def _cloud(name: str, shape: CloudModel, node: Node, top: Limits, context: LoadContext) -> CloudSpec:
    if shape.cloud and shape.auth:
        context.report(
            node.keys["auth"], f'cloud "{name}" has both `cloud` and `auth`; an entry of clouds.yaml has its own'
        )
    auth = (
        AuthSpec(method="clouds", options={"cloud": shape.cloud}) if shape.cloud else _auth(name, shape, node, context)
    )
    for key in ("project", "project_id"):
        here, inside = getattr(shape, key), shape.auth and getattr(shape.auth, key)
        if here and inside and here != inside:
            context.report(
                node.at("auth", key).location,
                f'cloud "{name}" has two values of `{key}`, "{here}" and "{inside}"; keep one',
            )
    ca_file = ""
    if shape.ca_file:
        try:
            ca_file = str(context.folder.trusted(shape.ca_file))
        except ValueError as error:
            context.report(node.at("ca_file").location, str(error))
    return CloudSpec(
        name=name,
        endpoint=shape.endpoint or "",
        region=shape.region or "",
        project_id=shape.project_id or (shape.auth and shape.auth.project_id) or "",
        project=shape.project or (shape.auth and shape.auth.project) or "",
        auth=auth,
        ca_file=ca_file,
        limits=limits(top, shape.limits),
    )


def _auth(name: str, shape: CloudModel, node: Node, context: LoadContext) -> AuthSpec:
    auth = shape.auth or AuthModel()
    given = {key: str(value) for key, value in auth.model_dump(exclude_none=True).items() if key != "method"}
    method = auth.method or _guess(given)
    location = node.at("auth").location
    if shape.project and "project" in _OPTIONAL[method]:
        given.setdefault("project", shape.project)
    known = (*NEEDED_OPTIONS[method], *_OPTIONAL[method])
    for key in given:
        if key not in known and key != "project":
            where = node.at("auth").keys.get(key, location)
            context.report(where, f"auth by {method} has no key `{key}`; known: {', '.join(known) or 'none'}")
    for key in NEEDED_OPTIONS[method]:
        if key not in given:
            context.report(location, f"auth by {method} needs the key `{key}`")
    if method in ("token", "aksk") and not shape.endpoint:
        context.report(node.location, f'cloud "{name}" needs `endpoint`: auth by {method} knows no service catalogue')
    _hidden(given, shape, node, context)
    options = {WIRE_NAMES.get(key, key): value for key, value in given.items() if key in known}
    return AuthSpec(method=method, options=options)


def _guess(given: Mapping[str, str]) -> str:
    if "agency" in given:
        return "agency"
    if "access_key" in given or "secret_key" in given:
        return "aksk"
    if "token" in given:
        return "token"
    return "password" if "username" in given or "password" in given else "environment"


def _hidden(given: Mapping[str, str], shape: CloudModel, node: Node, context: LoadContext) -> None:
    """Refuse secrets in clear, but for a simulator on this machine."""
    urls = [url for url in (shape.endpoint, given.get("auth_url")) if url]
    if urls and all(map(loopback, urls)):
        return
    for key in _SECRET:
        if key in given and not (given[key].startswith("${secret:") and given[key].endswith("}")):
            context.report(
                node.at("auth", key).location,
                f"`{key}` stands here in clear; write ${{secret:env:NAME}} or ${{secret:file:PATH}}",
            )
