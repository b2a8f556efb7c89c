"""Checks a tree against the schema and says what is wrong in words for people, at the right place.

A broken item (one cluster, one release, ...) is reported and left out, so that the rest can still be checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest import schema
from batch_deployer.manifest.nodes import Node, SourceLocation
from batch_deployer.model.helm_values import Json
from batch_deployer.util.suggest import nearest

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

_LISTED = ("clusters", "releases", "deployments")
_NAMED = ("clouds", "profiles")
_NOUNS = {
    "AuthModel": "auth",
    "LimitsModel": "limits",
    "CloudModel": "a cloud",
    "DiscoverModel": "discover",
    "ClusterModel": "a cluster",
    "ChartModel": "a chart",
    "ParametersModel": "parameters",
    "OverrideModel": "a deployment",
    "DefaultReleaseModel": "defaults.release",
    "DefaultsModel": "defaults",
    "ReleaseModel": "a release",
    "DeploymentModel": "a deployment",
    "WaveModel": "a wave",
    "RolloutModel": "rollout",
    "RetryModel": "retry",
    "PollModel": "poll",
    "ReconcileModel": "reconcile",
    "ReleasePolicyModel": "a release of a profile",
    "ProfileModel": "a profile",
    "ManifestModel": "the manifest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedManifest:
    """A manifest without its broken items."""

    model: schema.ManifestModel
    tree: Node
    diagnostics: Sequence[Diagnostic]
    broken: frozenset[Path]

    def locations(self, section: str) -> list[Node]:
        """Nodes of the items of a listed section that the model still has, in its order."""
        if (section,) in self.broken:
            return []
        items = self.tree.at(section).items if section in self.tree.mapping else []
        return [node for index, node in enumerate(items) if (section, index) not in self.broken]

    def left_out(self, section: str) -> list[Node]:
        """Nodes of the broken items of a listed section."""
        items = self.tree.mapping[section].items if section in self.tree.mapping else []
        return [node for index, node in enumerate(items) if (section, index) in self.broken]

    def names(self, section: str) -> set[str]:
        """All names of a section that is a mapping, those of broken items too."""
        return set(self.tree.mapping[section].mapping) if section in self.tree.mapping else set()

    def refs(self) -> set[str]:
        """What all releases are called within the manifest, broken ones too."""
        nodes = self.tree.mapping["releases"].items if "releases" in self.tree.mapping else []
        named = (node.mapping.get("alias") or node.mapping.get("name") for node in nodes)
        return {str(node.value) for node in named if node}


def check(tree: Node) -> ValidatedManifest:
    """The shape of a manifest. InputError when so much is broken that nothing else can be checked."""
    plain = tree.plain()
    if not isinstance(plain, dict):
        raise InputError(
            [tree.location.diagnostic("a manifest is a mapping with keys such as name, clouds, clusters, releases")]
        )
    model, errors = _validate(schema.ManifestModel, plain)
    if model is not None:
        return ValidatedManifest(model=model, tree=tree, diagnostics=(), broken=frozenset())
    diagnostics = [explain(error, tree, schema.ManifestModel) for error in errors]
    broken = frozenset(_item(error["loc"]) for error in errors)
    model, _ = _validate(schema.ManifestModel, _without(plain, broken))
    if model is None:
        raise InputError(diagnostics)
    return ValidatedManifest(model=model, tree=tree, diagnostics=diagnostics, broken=broken)


def check_part(kind: type[M], written: Json, location: SourceLocation) -> M:
    """One small part given outside the tree (a row of a table). InputError with all its faults."""
    model, errors = _validate(kind, written)
    if model is None:
        raise InputError([explain(error, Node(None, location), kind) for error in errors])
    return model


def _validate(kind: type[M], written: Any) -> tuple[M | None, Sequence[ErrorDetails]]:
    try:
        return kind.model_validate(written), ()
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _item(path: Path) -> Path:
    return path[:2] if path[0] in _LISTED or path[0] in _NAMED else path[:1]


def _without(plain: dict[str, Any], broken: frozenset[Path]) -> dict[str, Any]:
    """The manifest without broken items; what must not be missing is filled with something harmless."""
    pruned: dict[str, Any] = {}
    for key, value in plain.items():
        if (key,) in broken:
            continue
        if key in _LISTED and isinstance(value, list):
            pruned[key] = [item for index, item in enumerate(value) if (key, index) not in broken]
        elif key in _NAMED and isinstance(value, dict):
            pruned[key] = {name: item for name, item in value.items() if (key, name) not in broken}
        else:
            pruned[key] = value
    return {"name": "unnamed", "clouds": {}, "clusters": [], "releases": []} | pruned


def explain(error: ErrorDetails, tree: Node, root: type[BaseModel]) -> Diagnostic:
    """One error of pydantic's in our words."""
    path = error["loc"]
    owner, key = path[:-1], str(path[-1]) if path else ""
    kind = error["type"]
    parent, node = tree.at(*owner), tree.at(*path)
    noun, known = _owner(root, owner)
    if kind == "extra_forbidden":
        close = nearest(key, known)
        hint = f"did you mean `{close}`?" if close else f"known: {', '.join(sorted(known))}"
        return parent.keys.get(key, node.location).diagnostic(f"unknown key `{key}` in {noun}; {hint}")
    if kind == "missing":
        return parent.location.diagnostic(f"{noun} needs the key `{key}`")
    what = f"item {key} of `{owner[-1]}`" if path and isinstance(path[-1], int) and owner else f"`{key}`"
    if not path:
        what = noun
    problem = _problem(error, node)
    return node.location.diagnostic(f"{what} {problem}" if problem.startswith("must") else f"{what}: {problem}")


def _owner(root: type[BaseModel], path: Path) -> tuple[str, list[str]]:
    """How to call the part of the manifest at a path, and the keys it knows."""
    current: type[BaseModel] | None = root
    below = False
    for step in path:
        if below:  # an index or a name: the part stays the same
            below = False
            continue
        names = {} if current is None else _annotations(current)
        annotation = names.get(str(step))
        current, below = _inner(annotation), "list[" in str(annotation) or "dict[" in str(annotation)
    if current is None:
        return f"`{path[-1]}`", []
    return _NOUNS.get(current.__name__, f"`{path[-1] if path else ''}`"), list(_annotations(current))


def _annotations(kind: type[BaseModel]) -> dict[str, Any]:
    """Types of a model's fields by the names that the manifest uses."""
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model inside `X | None`, `list[X]` or `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found is not None:
            return found
    return None


def _problem(error: ErrorDetails, node: Node) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "string_type":
            quoted = node.raw and not isinstance(node.value, list | dict) and node.value is not None
            return f'must be text; put quotes around it: "{node.raw}"' if quoted else "must be text"
        case "bool_type":
            return "must be true or false"
        case "int_type" | "int_from_float" | "int_parsing":
            return "must be a whole number"
        case "float_type":
            return "must be a number"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a mapping of keys to values"
        case "list_type":
            return "must be a list; each item starts with -"
        case "too_short" | "string_too_short":
            return "must not be empty"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "literal_error":
            options = [option.strip("' ") for option in str(context["expected"]).replace(" or ", ", ").split(",")]
            close = nearest(str(error["input"]), options)
            hint = f"; did you mean {close}?" if close else ""
            return f"must be one of {', '.join(options)}{hint}"
        case "value_error":
            return str(context["error"])
        case _:
            return str(error["msg"])
