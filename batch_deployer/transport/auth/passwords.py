"""Logins with a user's password, straight or on behalf of another account through an agency."""

from collections.abc import Mapping
from typing import Any

from batch_deployer.transport.auth.keystone import KeystoneLogin


def password_login(options: Mapping[str, str], *, who: str, ca_file: str, timeout: float) -> KeystoneLogin:
    """`options`: username, password, user_domain, auth_url, and project or project_id (an id wins)."""
    return KeystoneLogin(
        who=who,
        auth_url=options["auth_url"],
        subject=_subject(options),
        plugin=_user(options, **_project_scope(options)),
        secrets=(options["password"],),
        ca_file=ca_file,
        timeout=timeout,
    )


def agency_login(options: Mapping[str, str], *, who: str, ca_file: str, timeout: float) -> KeystoneLogin:
    """As `password_login`, beside `agency` and `agency_domain` (name) or `agency_domain_id` of who delegates.

    The project is one of the delegating account.
    """
    from keystoneauth1.identity.v3 import Auth  # noqa: PLC0415 - heavy, and only a login needs it

    # Acting for an agency is a permission of a global service, so the user's own token is scoped to the domain.
    scope = {"domain_name": options.get("user_domain") or None, "domain_id": options.get("user_domain_id") or None}
    return KeystoneLogin(
        who=who,
        auth_url=options["auth_url"],
        subject=f"{_subject(options)} for agency {options['agency']!r}",
        plugin=Auth(options["auth_url"], [_assume_role(_user(options, **scope), options)], **_project_scope(options)),
        secrets=(options["password"],),
        ca_file=ca_file,
        timeout=timeout,
    )


def _subject(options: Mapping[str, str]) -> str:
    domain = options.get("user_domain") or options.get("user_domain_id") or "default"
    return f"user {options['username']!r} of domain {domain!r}"


def _project_scope(options: Mapping[str, str]) -> dict[str, Any]:
    """No domain is sent with a project's name: the identity service looks in the user's own."""
    if options.get("project_id"):
        return {"project_id": options["project_id"]}
    return {"project_name": options["project"]} if options.get("project") else {}


def _user(options: Mapping[str, str], **scope: Any) -> Any:
    from keystoneauth1.identity.v3 import Password  # noqa: PLC0415 - as above

    return Password(
        auth_url=options["auth_url"],
        username=options["username"],
        password=options["password"],
        user_domain_name=options.get("user_domain") or None,
        user_domain_id=options.get("user_domain_id") or None,
        **scope,
    )


def _assume_role(user: Any, options: Mapping[str, str]) -> Any:
    """The identity method `assume_role` (section 5.1), which keystoneauth1 does not know."""
    from keystoneauth1.identity.v3 import AuthMethod  # noqa: PLC0415 - as above

    who = (
        {"domain_id": options["agency_domain_id"]}
        if options.get("agency_domain_id")
        else {"domain_name": options["agency_domain"]}
    )

    class AssumeRole(AuthMethod):
        def get_auth_data(
            self, session: Any, _auth: Any, headers: dict[str, str], request_kwargs: dict[str, object]
        ) -> tuple[str, dict[str, str]]:
            del request_kwargs
            headers["X-Auth-Token"] = user.get_auth_ref(session).auth_token
            # The documentation's tables say agency_name; its examples and the provider's client send xrole_name.
            return "assume_role", {**who, "xrole_name": options["agency"]}

    return AssumeRole()
