"""The provider's agency as a method of keystoneauth: a user's token assumes a role in another account.

See docs/api.md, "Logging in". Import this module late: keystoneauth takes half a second to load.
"""

from collections.abc import Mapping
from typing import Any

from keystoneauth1.identity import v3


class AssumeRole(v3.AuthMethod):
    """Sends the token of another login and names the agency."""

    def __init__(self, source: v3.Auth, role: Mapping[str, str]) -> None:
        """`source`: the user's own login, made anew each time. `role`: the agency and the account that delegates."""
        super().__init__()
        self._source = source
        self._role = dict(role)

    def get_auth_data(
        self, session: Any, _auth: Any, headers: dict[str, str], request_kwargs: dict[str, object]
    ) -> tuple[str, Mapping[str, object]]:
        """The method's name and its part of the request; the user's token goes into a header."""
        del request_kwargs
        headers["X-Auth-Token"] = self._source.get_auth_ref(session).auth_token or ""
        return "assume_role", self._role


def agency_login(auth_url: str, options: Mapping[str, str]) -> v3.Auth:
    """A login for an agency.

    `options`: `username`, `password`, `user_domain_name` or `user_domain_id`, `agency`, `agency_domain` or
    `agency_domain_id`, and the project of the delegating account: `project_id`, or `project_name` with `project_domain_*`.
    """
    domain_id, domain_name = options.get("user_domain_id") or None, options.get("user_domain_name") or None
    source = v3.Password(
        auth_url,
        options["password"],
        username=options["username"],
        user_domain_id=domain_id,
        user_domain_name=domain_name,
        # Acting for an agency is a permission of a global service, so the user's own token is scoped to the domain.
        domain_id=domain_id,
        domain_name=None if domain_id else domain_name,
    )
    if options.get("agency_domain_id"):
        role = {"domain_id": options["agency_domain_id"]}
    else:
        role = {"domain_name": options["agency_domain"]}
    # The documentation's tables say agency_name; its examples and the provider's client send xrole_name.
    role["xrole_name"] = options["agency"]
    return v3.Auth(
        auth_url,
        [AssumeRole(source, role)],
        project_id=options.get("project_id") or None,
        project_name=options.get("project_name") or None,
        project_domain_id=options.get("project_domain_id") or None,
        project_domain_name=options.get("project_domain_name") or None,
    )
