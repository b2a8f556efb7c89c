"""From a cloud of the plan to an Api that is logged in."""

from collections.abc import Callable
from dataclasses import dataclass

from batch_deployer.errors import InputError
from batch_deployer.model.permissions import NO_PERMISSIONS, Permissions
from batch_deployer.plan.plan import CloudSpec
from batch_deployer.ports import Api, Clock, Fence, Secrets
from batch_deployer.rules.rate_ceilings import rate_problem
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.auth.login import Identity, LoginRequest, identify
from batch_deployer.transport.http_api import HttpApi
from batch_deployer.transport.tls import checked, tls_context


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCloud:
    """A cloud that is logged in to, and what the login told."""

    api: Api
    endpoint: str
    identity: Identity


async def open_cloud(
    cloud: CloudSpec,
    *,
    wire: HttpSettings,
    connections: int,
    secrets: Secrets,
    clock: Clock,
    fence: Fence | None = None,
    on_secret: Callable[[str], None] = lambda _text: None,
    tries: int = 4,
    permissions: Permissions = NO_PERMISSIONS,
) -> OpenCloud:
    """Log in at once, so that a wrong password shows before anything is written, and open the cloud's API.

    `connections`: HTTP calls under way at once. `fence`: asked right before each write leaves; None: never.
    `on_secret`: receives every secret text of the credential, those of clouds.yaml and of later logins among them.
    `tries`: logins at most, while the identity service gives no clear answer.
    `permissions`: the hosts that may receive the credential though only the manifest names them.
    Raises InputError (settings, files, addresses), AuthFailed (refused), CloudUnreachable (no identity service).
    """
    who = f"cloud {cloud.name!r}"
    if cloud.endpoint:
        checked(cloud.endpoint, f"{who}: endpoint")  # Before a secret is sent anywhere.
        _check_rates(cloud, cloud.endpoint, permissions)
    asking = LoginRequest(
        cloud=cloud,
        who=who,
        wire=wire,
        clock=clock,
        on_secret=on_secret,
        tries=tries,
        permissions=permissions,
    )
    identity = await identify(asking, secrets)
    endpoint = identity.endpoint
    if not endpoint:
        raise InputError(f"{who}: give endpoint; only a login with a password can look it up in the service catalogue")
    endpoint = checked(endpoint, f"{who}: endpoint")
    _check_rates(cloud, endpoint, permissions)
    api = HttpApi(
        endpoint,
        project_id=identity.project_id,
        credential=identity.credential,
        wire=wire,
        connections=connections,
        clock=clock,
        fence=fence,
        tls=tls_context(identity.ca_file, identity.client_certificate) if endpoint.startswith("https:") else None,
    )
    return OpenCloud(api=api, endpoint=endpoint, identity=identity)


def _check_rates(cloud: CloudSpec, endpoint: str, permissions: Permissions) -> None:
    """Raise InputError for limits above what the operator allows: calls cost the whole project."""
    if problem := rate_problem(cloud.limits, endpoint, permissions):
        raise InputError(f"cloud {cloud.name!r}: {problem}")
