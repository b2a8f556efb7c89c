"""clouds.yaml and OS_* as the OpenStack tools read them, and the provider's own additions to both (section 5.2).

Blocking (files, and openstacksdk takes a while to load): call it in a worker thread.
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_deployer.errors import BadInput
from batch_deployer.transport.auth.signing import Key

_KEY_NAMES = ("ak", "access_key")
_SECRET_NAMES = ("sk", "secret_key")
_KEY_VARIABLES = (
    ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN"),
    ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SECURITY_TOKEN"),
)
"""Key, secret and security token. otcextensions falls back to the second family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an entry of clouds.yaml, or the environment, comes to. Exactly one of key, token, agency, plugin is set."""

    auth_url: str = ""
    region: str = ""
    project_id: str = ""
    ca_file: str = ""
    subject: str = ""
    key: Key | None = None
    token: str = field(default="", repr=False)
    agency: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options as `passwords.agency_steps` takes them."""
    plugin: Any = field(default=None, repr=False)
    """Any other method: a keystoneauth1 identity plugin."""
    secrets: tuple[str, ...] = field(default=(), repr=False)


def from_environment(who: str) -> Entry:
    """OS_* variables: an access key, a ready token, or whatever openstacksdk finds (OS_CLOUD included).

    Raises BadInput when there is nothing to be found.
    """
    named = bool(os.environ.get("OS_CLOUD"))
    if not named and (key := _environment_key(who)):
        return Entry(key=key, project_id=_variable("OS_PROJECT_ID", "OS_TENANT_ID"), ca_file=_variable("OS_CACERT"))
    token = _variable("OS_TOKEN", "OS_AUTH_TOKEN")
    if not named and token and not _variable("OS_USERNAME", "OS_AUTH_TYPE"):
        project_id = _variable("OS_PROJECT_ID", "OS_TENANT_ID")
        return Entry(token=token, project_id=project_id, ca_file=_variable("OS_CACERT"))
    if not named and not _variable("OS_AUTH_URL"):
        raise BadInput(
            f"{who}: no credential is given; write auth into the manifest, name an entry of clouds.yaml, or set "
            "OS_CLOUD, OS_AUTH_URL with OS_USERNAME and OS_PASSWORD, OS_TOKEN, or OS_ACCESS_KEY with OS_SECRET_KEY"
        )
    return _entry(os.environ.get("OS_CLOUD") or None, who)


def from_clouds(cloud: str, who: str) -> Entry:
    """An entry of clouds.yaml. Raises BadInput when it is not there or lacks something."""
    return _entry(cloud, who)


def _entry(cloud: str | None, who: str) -> Entry:
    label = f"entry {cloud!r} of clouds.yaml" if cloud else "the OS_* variables"
    settings = _region(cloud, f"{who}: {label}", validate=False).config
    ours = _ours(settings, who)
    return ours or _standard(_region(cloud, f"{who}: {label}", validate=True), settings, who)


def _region(cloud: str | None, label: str, *, validate: bool) -> Any:
    """How openstacksdk sees an entry; with `validate` it makes the plugin that logs in, and wants all that it needs."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415 - half a second to load; only this needs it
    from openstack.config import OpenStackConfig  # noqa: PLC0415 - as above
    from openstack.exceptions import SDKException  # noqa: PLC0415 - as above

    # It warns about its own InfluxDB support with every entry it reads.
    warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module=r"openstack\.")
    try:
        return OpenStackConfig().get_one(cloud=cloud, validate=validate)
    except (SDKException, ClientException) as error:
        # These name the cloud or the missing fields, never a value.
        problem = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    except Exception as error:  # noqa: BLE001 - a YAML error shows the line it stumbled over, which may be the password
        problem = f"cannot be read ({type(error).__name__})"
    raise BadInput(f"{label}: {problem}; check the names, where the file lies and that it is YAML")


def _ours(settings: Mapping[str, Any], who: str) -> Entry | None:
    """The provider's additions: an access key (beside `auth` or in it), or an agency."""
    auth: Mapping[str, Any] = settings.get("auth") or {}
    both = {**auth, **{name: value for name, value in settings.items() if value is not None}}
    common = _common(settings, who)
    if access := _first(both, _KEY_NAMES):
        key = Key(access=access, secret=_first(both, _SECRET_NAMES), token=_first(both, ("security_token",)))
        return Entry(key=key, **common)
    if settings.get("auth_type") == "agency" or both.get("target_agency_name"):
        names = {
            "username": ("username",),
            "password": ("password",),
            "user_domain": ("user_domain_name", "domain_name"),
            "user_domain_id": ("user_domain_id", "domain_id"),
            "agency": ("target_agency_name",),
            "agency_domain": ("target_domain_name",),
            "agency_domain_id": ("target_domain_id",),
            "project": ("target_project_name",),
            "project_id": ("target_project_id",),
        }
        options = {name: _first(both, spellings) for name, spellings in names.items()}
        options["auth_url"] = common["auth_url"]
        return Entry(agency=options, secrets=(options["password"],), **(common | {"project_id": options["project_id"]}))
    return None


def _standard(region: Any, settings: Mapping[str, Any], who: str) -> Entry:
    from keystoneauth1.identity import BaseIdentityPlugin  # noqa: PLC0415 - as below

    plugin = region.get_auth()
    if not isinstance(plugin, BaseIdentityPlugin):
        raise BadInput(
            f"{who}: auth_type {settings.get('auth_type')!r} brings no token; use password, token or an access key"
        )
    auth: Mapping[str, Any] = settings.get("auth") or {}
    secrets = tuple(
        str(auth[name]) for name in auth if "password" in name or "secret" in name or name in {"token", "passcode"}
    )
    user = auth.get("username") or auth.get("user_id") or auth.get("application_credential_id")
    subject = f"user {user!r}" if user else "the credential"
    return Entry(plugin=plugin, subject=subject, secrets=secrets, **_common(settings, who))


def _common(settings: Mapping[str, Any], who: str) -> dict[str, Any]:
    if settings.get("insecure") in (True, "true", "True", "1") or settings.get("verify") in (False, "false", "False"):
        raise BadInput(f"{who}: TLS cannot be left unverified; take out insecure or verify, and give cacert instead")
    auth: Mapping[str, Any] = settings.get("auth") or {}
    region = str(settings.get("region_name") or "")
    ca_file = str(settings.get("cacert") or "")
    return {
        "auth_url": str(auth.get("auth_url") or "").replace("{region_name}", region),
        "region": region,
        "project_id": str(auth.get("project_id") or ""),
        "ca_file": str(Path(ca_file).expanduser()) if ca_file else "",
    }


def _environment_key(who: str) -> Key | None:
    """An access key of the environment; key and secret come from the same family of variables."""
    for name, secret_name, token_name in _KEY_VARIABLES:
        if access := _variable(name):
            # The S3 names are often set for object storage alone, so they count only where nothing else is.
            if name != "OS_ACCESS_KEY" and _variable("OS_USERNAME", "OS_TOKEN", "OS_AUTH_TOKEN", "OS_AUTH_TYPE"):
                continue
            if not _variable(secret_name):
                raise BadInput(f"{who}: {name} is set but {secret_name} is not; set both or neither")
            return Key(access=access, secret=_variable(secret_name), token=_variable(token_name))
    return None


def _variable(*names: str) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def _first(settings: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(settings[name]) for name in names if settings.get(name)), "")
