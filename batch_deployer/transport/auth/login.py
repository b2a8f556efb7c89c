"""From the `auth:` of a cloud to a credential that works, by whichever method it names."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import anyio

from batch_deployer.errors import AuthFailed, CloudUnreachable, InputError
from batch_deployer.model.cloud import NEEDED_OPTIONS
from batch_deployer.model.helm_values import render_text
from batch_deployer.model.permissions import Permissions, host_of
from batch_deployer.plan.plan import AuthSpec, CloudSpec
from batch_deployer.ports import Clock
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.auth.access_key import AccessKey
from batch_deployer.transport.auth.credential import Credential, FixedToken
from batch_deployer.transport.auth.credentials import RenewedToken, Token, sendable
from batch_deployer.transport.auth.environment import Environment
from batch_deployer.transport.auth.keystone_login import KeystoneLogin
from batch_deployer.transport.auth.login_errors import Failures
from batch_deployer.transport.auth.openstack_config import Entry, Source, needs, read_entry
from batch_deployer.transport.auth.service_catalog import cce_endpoint
from batch_deployer.transport.auth.signing import Key
from batch_deployer.transport.tls import checked, is_loopback, tls_context

_LEGACY_HOSTS = ".otc.t-systems.com"
"""There only the legacy form of signatures is proven, everywhere else only the newer one."""
_MANIFEST_NAMES = {
    "user_domain": "user_domain_name",
    "project": "project_name",
    "project_domain": "project_domain_name",
    "agency": "target_agency_name",
    "agency_domain": "target_domain_name",
    "agency_domain_id": "target_domain_id",
}
"""A manifest's names of settings, and openstacksdk's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are at a cloud, and what was learned about it on the way."""

    credential: Credential
    project_id: str = ""
    endpoint: str = ""
    """CCE by the settings or the service catalogue; empty when the manifest names its own or nothing was looked up."""
    ca_file: str = ""
    region: str = ""
    auth_url: str = ""
    client_certificate: str | tuple[str, str] | None = field(default=None, repr=False)
    """The client's own certificate: a file with its key, or two files."""
    token: Token | None = None
    """What the login brought; None where nothing logs in."""
    files: tuple[str, ...] = ()
    """The files of openstacksdk's configuration that were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """The cloud that is logged in to, and the means."""

    cloud: CloudSpec
    who: str
    """The cloud, for messages."""
    wire: HttpSettings
    clock: Clock
    on_secret: Callable[[str], None] = lambda _text: None
    """Receives every secret text of the cloud's credential as soon as it is known."""
    tries: int = 4
    """Logins at most, while the identity service gives no clear answer."""
    permissions: Permissions = Permissions()

    def refuse(self, what: str, url: str, own: Iterable[str]) -> None:
        """Raise InputError if the credential may not go to a URL that the manifest names. `own`: the owner's URLs."""
        own = [each for each in own if each]
        if url:
            checked(url, f"{self.who}: {what}")
        if url and not self.permissions.permits_host(url, own):
            whose = f"belongs to {host_of(own[0])}" if own else "names no service of its own"
            raise InputError(
                f"{self.who}: {what} {url} is on a host that the credential may not be sent to: the credential {whose}; "
                f"if the host is right, allow it with --allow-host {host_of(url)}"
            )


async def identify(asking: LoginRequest, secret: Callable[[str], str]) -> Identity:
    """Log in, or make ready what needs no login.

    Raises InputError, AuthFailed and CloudUnreachable.
    """
    cloud, who, method = asking.cloud, asking.who, asking.cloud.auth.method
    options = read_options(cloud.auth, who, secret)
    project_id = cloud.project_id or options.get("project_id", "")
    project = cloud.project or options.get("project", "")
    environment = Environment(os.environ)
    source = Source(
        who=who,
        label="auth",
        region=cloud.region,
        project=project,
        project_id=project_id,
        from_cwd=asking.permissions.clouds_from_cwd,
    )
    entry: Entry | None = None
    if method == "token":
        entry = Entry(token=options["token"], own=environment.own)
    elif method == "aksk":
        token = options.get("security_token", "")
        key = Key(access=options["access_key"], secret=options["secret_key"], token=token)
        entry = Entry(key=key, own=environment.own)
    elif method == "clouds":
        name = options.get("cloud") or cloud.name
        source = replace(source, cloud=name, label=f"entry {name!r} of clouds.yaml")
    elif method == "environment":
        entry = environment.ready(who)
        named = os.environ.get("OS_CLOUD") or None
        label = f"entry {named!r} of clouds.yaml" if named else "the OS_* variables"
        source = replace(source, cloud=named, label=label)
    else:
        asking.refuse("auth_url", options.get("auth_url", ""), environment.own)
        source = replace(source, auth=_openstack_names(options, who, method, project or project_id))
    if entry is None:
        entry = await anyio.to_thread.run_sync(read_entry, source)
    return await _from_entry(asking, replace(entry, project_id=project_id or entry.project_id), options.get("form", ""))


def read_options(auth: AuthSpec, who: str, secret: Callable[[str], str]) -> dict[str, str]:
    """The options of a method with secrets in plain; treat the result as secret. Raises InputError for a missing or empty one."""
    options = {name: render_text(str(text), secret) for name, text in auth.options.items()}
    if missing := [name for name in NEEDED_OPTIONS.get(auth.method, ()) if not options.get(name)]:
        raise InputError(f"{who}: auth method {auth.method} needs {' and '.join(missing)}")
    return options


def _openstack_names(options: Mapping[str, str], who: str, method: str, project: str) -> dict[str, str]:
    """The manifest's `auth` under openstacksdk's names. Raises InputError for one that cannot work."""
    if not project:
        raise InputError(f"{who}: auth method {method} needs project or project_id")
    needs(options, who, method, "user_domain", "user_domain_id")
    if method == "agency":
        needs(options, who, method, "agency_domain", "agency_domain_id")
    left = ("project", "project_id")  # The source has them.
    return {_MANIFEST_NAMES.get(name, name): text for name, text in options.items() if name not in left and text}


async def _from_entry(asking: LoginRequest, entry: Entry, form: str) -> Identity:
    """As the settings have it; what the manifest says about the cloud itself wins."""
    cloud, named = asking.cloud, asking.cloud.endpoint
    for text in filter(None, entry.texts):
        asking.on_secret(text)
    if entry.plugin is None:
        asking.refuse("endpoint", named, entry.own)
    cloud = replace(cloud, ca_file=cloud.ca_file or entry.ca_file, endpoint=named or entry.endpoint)
    # A bad bundle or certificate is found before a secret is sent.
    tls_context(cloud.ca_file, entry.client_certificate)
    identity = Identity(
        credential=FixedToken(asking.who, entry.token),
        project_id=entry.project_id,
        endpoint=cloud.endpoint,
        ca_file=cloud.ca_file,
        region=cloud.region,
        client_certificate=entry.client_certificate,
    )
    if entry.plugin is not None:
        return await _log_in(replace(asking, cloud=cloud), entry, named, identity)
    what = "an access key" if entry.key else "a token that is used as it is"
    if cloud.project and not cloud.project_id and cloud.project != entry.project:
        raise InputError(
            f"{asking.who}: project {cloud.project!r} cannot be looked up with {what}; give project_id instead"
        )
    if entry.key is not None:
        host = urlsplit(cloud.endpoint).hostname or ""
        form = form or ("legacy" if host.endswith(_LEGACY_HOSTS) else "access")
        key = replace(entry.key, form=form)
        signing = AccessKey(key, project_id=entry.project_id, who=asking.who, clock=asking.clock)
        return replace(identity, credential=signing)
    if not sendable(entry.token):
        raise InputError(f"{asking.who}: the token holds blanks or control characters; check where it comes from")
    return identity


async def _log_in(asking: LoginRequest, entry: Entry, named: str, identity: Identity) -> Identity:
    """`named`: the endpoint that the manifest itself names. `identity`: what is known before the login."""
    wire, cloud, who = asking.wire, asking.cloud, asking.who
    failures = Failures(
        who=who,
        auth_url=entry.auth_url,
        subject=entry.subject,
        secrets=entry.secrets,
        timeout=wire.read_timeout,
    )
    login = KeystoneLogin(
        failures=failures,
        plugin=entry.plugin,
        connect=wire.connect,
        ca_file=cloud.ca_file,
        client_certificate=entry.client_certificate,
    )
    credential = RenewedToken(
        login,
        clock=asking.clock,
        timeout=wire.connect + 2 * wire.read_timeout,
        check=lambda token: _other_project(token, entry, who),
        on_secret=asking.on_secret,
    )
    try:
        token = await credential.start(asking.tries)
    except (AuthFailed, CloudUnreachable):
        asking.refuse("endpoint", named, entry.own)
        raise
    # The identity service is its owner's, so whatever its catalogue names is too.
    asking.refuse("endpoint", named, (*entry.own, *(each.url for each in token.catalogue)))
    region = cloud.region or entry.region
    endpoint = cloud.endpoint or cce_endpoint(token.catalogue, region, who, entry.interfaces, entry.service_type)
    if not cloud.endpoint and is_loopback(endpoint) and not is_loopback(entry.auth_url):
        raise InputError(
            f"{who}: the service catalogue of {entry.auth_url} leads to this machine ({endpoint}); give endpoint"
        )
    return replace(
        identity,
        credential=credential,
        project_id=token.project_id,
        endpoint=endpoint,
        region=region,
        auth_url=entry.auth_url,
        token=token,
        files=entry.files,
    )


def _other_project(token: Token, meant: Entry, who: str) -> str:
    """What is wrong with the project of a token; empty when it is the one that was meant."""
    if not token.project_id:
        return f"{who}: the login at {meant.auth_url} gave a token of no project; name the project"
    given = f"project {token.project!r} (id {token.project_id})"
    if meant.project_id and meant.project_id != token.project_id:
        return (
            f"{who}: project_id {meant.project_id} is meant, but the login gave a token of {given}; correct one of them"
        )
    if meant.project and meant.project != token.project:
        return f"{who}: project {meant.project!r} is meant, but the login gave a token of {given}; correct one of them"
    return ""
