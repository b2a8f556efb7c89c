"""From the `auth:` of a cloud to a credential that works, by whichever method it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import anyio

from batch_deployer.errors import BadInput
from batch_deployer.plan.frozen import CloudSpec
from batch_deployer.ports import Clock
from batch_deployer.settings import WireSettings
from batch_deployer.transport.address import checked, is_loopback, tls_context
from batch_deployer.transport.auth.access_key import AccessKey
from batch_deployer.transport.auth.catalogue import cce_endpoint
from batch_deployer.transport.auth.credential import Credential, FixedToken
from batch_deployer.transport.auth.failures import Failures
from batch_deployer.transport.auth.keystone import KeystoneLogin
from batch_deployer.transport.auth.openstack import Entry, from_clouds, from_environment
from batch_deployer.transport.auth.options import needs, read_options
from batch_deployer.transport.auth.passwords import PasswordLogin, agency_steps, password_steps, subject
from batch_deployer.transport.auth.signing import Key
from batch_deployer.transport.auth.tokens import Login, RenewedToken, sendable

_LEGACY_HOSTS = ".otc.t-systems.com"
"""There only the legacy form of signatures is proven, everywhere else only the newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are at a cloud, and what was learned about it on the way."""

    credential: Credential
    project_id: str = ""
    endpoint: str = ""
    """CCE by the service catalogue; empty when the cloud names its own or nothing was looked up."""
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The cloud that is logged in to, and the means."""

    cloud: CloudSpec
    who: str
    """The cloud, for messages."""
    wire: WireSettings
    clock: Clock


async def identify(asking: Asking, secret: Callable[[str], str]) -> Identity:
    """Log in, or make ready what needs no login.

    Raises BadInput, AuthFailed and CloudUnreachable.
    """
    cloud, who = asking.cloud, asking.who
    options = read_options(cloud.auth, who, secret)
    if cloud.ca_file:
        tls_context(cloud.ca_file)  # A bad bundle is found before a password is sent.
    method = cloud.auth.method
    if method == "token":
        return _ready(asking, options["token"], options.get("project_id", ""))
    if method == "aksk":
        token = options.get("security_token", "")
        key = Key(access=options["access_key"], secret=options["secret_key"], token=token)
        return _signed(asking, key, options.get("form", ""), options.get("project_id", ""))
    if method == "clouds":
        entry = await anyio.to_thread.run_sync(from_clouds, options.get("cloud") or cloud.name, who)
        return await _from_entry(asking, entry, options.get("form", ""))
    if method == "environment":
        entry = await anyio.to_thread.run_sync(from_environment, who)
        return await _from_entry(asking, entry, options.get("form", ""))
    if not options.get("project") and not options.get("project_id"):
        options["project_id"] = cloud.project_id
    return await _by_password(asking, method, options)


async def _from_entry(asking: Asking, entry: Entry, form: str) -> Identity:
    """As clouds.yaml or the environment has it; what the manifest says about the cloud itself wins."""
    cloud = asking.cloud
    cloud = replace(cloud, ca_file=cloud.ca_file or entry.ca_file, region=cloud.region or entry.region)
    asking = replace(asking, cloud=cloud)
    if entry.key is not None:
        return _signed(asking, entry.key, form, entry.project_id)
    if entry.token:
        return _ready(asking, entry.token, entry.project_id)
    if entry.agency:
        for name in ("username", "password"):
            needs(entry.agency, asking.who, "agency", name)
        return await _by_password(asking, "agency", entry.agency)
    failures = Failures(
        who=asking.who,
        auth_url=_auth_url(asking, entry.auth_url),
        subject=entry.subject,
        secrets=entry.secrets,
        timeout=asking.wire.read_timeout,
    )
    return await _log_in(asking, KeystoneLogin(failures=failures, plugin=entry.plugin, ca_file=cloud.ca_file))


async def _by_password(asking: Asking, method: str, options: Mapping[str, str]) -> Identity:
    needs(options, asking.who, method, "project", "project_id")
    needs(options, asking.who, method, "user_domain", "user_domain_id")
    if method == "agency":
        needs(options, asking.who, method, "agency_domain", "agency_domain_id")
    failures = Failures(
        who=asking.who,
        auth_url=_auth_url(asking, options.get("auth_url", "")),
        subject=subject(options),
        secrets=(options["password"],),
        timeout=asking.wire.read_timeout,
    )
    steps = agency_steps(options) if method == "agency" else password_steps(options)
    login = PasswordLogin(failures=failures, steps=steps, wire=asking.wire, ca_file=asking.cloud.ca_file)
    return await _log_in(asking, login)


async def _log_in(asking: Asking, login: Login) -> Identity:
    wire, cloud = asking.wire, asking.cloud
    credential = RenewedToken(login, clock=asking.clock, timeout=wire.connect + 2 * wire.read_timeout)
    token = await credential.start()
    endpoint = "" if cloud.endpoint else cce_endpoint(token.catalogue, cloud.region, asking.who)
    return Identity(credential=credential, project_id=token.project_id, endpoint=endpoint, ca_file=cloud.ca_file)


def _ready(asking: Asking, token: str, project_id: str) -> Identity:
    if not sendable(token):
        raise BadInput(f"{asking.who}: the token holds blanks or control characters; check where it comes from")
    return Identity(credential=FixedToken(asking.who, token), project_id=project_id, ca_file=asking.cloud.ca_file)


def _signed(asking: Asking, key: Key, form: str, project_id: str) -> Identity:
    cloud = asking.cloud
    host = urlsplit(cloud.endpoint).hostname or ""
    form = form or ("legacy" if host.endswith(_LEGACY_HOSTS) else "access")
    project_id = cloud.project_id or project_id
    credential = AccessKey(replace(key, form=form), project_id=project_id, who=asking.who, clock=asking.clock)
    return Identity(credential=credential, project_id=project_id, ca_file=cloud.ca_file)


def _auth_url(asking: Asking, given: str) -> str:
    """The identity service: as given; else, only on this machine, the endpoint's own `/v3`."""
    if given:
        return checked(given, f"{asking.who}: auth_url")
    endpoint = asking.cloud.endpoint
    if endpoint and is_loopback(endpoint):
        return checked(endpoint, f"{asking.who}: endpoint") + "/v3"
    raise BadInput(f"{asking.who}: give auth_url, for example https://iam.eu-de.otc.t-systems.com/v3")
