"""The `auth:` section of a cloud in the manifest: which keys each method knows, and secrets filled in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from batch_deployer.errors import BadInput
from batch_deployer.model.values import render_text
from batch_deployer.plan.frozen import AuthSpec

_ALIASES = {
    "domain": "user_domain",
    "user_domain_name": "user_domain",
    "project_name": "project",
    "project_domain_name": "project_domain",
    "target_agency_name": "agency",
    "target_domain_name": "agency_domain",
    "target_domain_id": "agency_domain_id",
    "ak": "access_key",
    "sk": "secret_key",
}
"""Other tools' names for the same thing."""
_USER = ("username", "password")
_PLACE = (
    "auth_url", "user_domain", "user_domain_id", "project", "project_id", "project_domain", "project_domain_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Method:
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_METHODS = {
    "token": _Method(("token",), ("project_id",)),
    "clouds": _Method((), ("cloud", "form")),
    "environment": _Method((), ("form",)),
    "password": _Method(_USER, _PLACE),
    "agency": _Method((*_USER, "agency"), (*_PLACE, "agency_domain", "agency_domain_id")),
    "aksk": _Method(("access_key", "secret_key"), ("security_token", "form", "project_id")),
}


def read_options(auth: AuthSpec, who: str, secret: Callable[[str], str]) -> dict[str, str]:
    """The options of a method under their one name, with secrets in plain; treat the result as secret.

    Raises BadInput for an unknown method or key, a missing or empty key, and a secret that is not there.
    """
    method = _METHODS.get(auth.method)
    if method is None:
        raise BadInput(f"{who}: auth method {auth.method!r} is unknown; use one of {', '.join(_METHODS)}")
    known = (*method.needed, *method.optional)
    options: dict[str, str] = {}
    for given, text in auth.options.items():
        name = _ALIASES.get(given, given)
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(known) or 'none'}"
            raise BadInput(f"{who}: auth method {auth.method} has no option {given!r}; {hint}")
        options[name] = render_text(str(text), secret)
    if missing := [name for name in method.needed if not options.get(name)]:
        raise BadInput(f"{who}: auth method {auth.method} needs {' and '.join(missing)}")
    return options


def needs(options: Mapping[str, str], who: str, method: str, *alternatives: str) -> None:
    """Raise BadInput unless one of the alternatives is given."""
    if not any(options.get(name) for name in alternatives):
        raise BadInput(f"{who}: auth method {method} needs {' or '.join(alternatives)}")
