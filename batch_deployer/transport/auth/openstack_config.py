"""clouds.yaml, `OS_*` and a manifest's `auth`, all read by openstacksdk, and the provider's additions to them.

The provider adds access keys (AK/SK) and agencies; see docs/api.md, "Logging in".
Blocking (files, and openstacksdk takes half a second to load): call `read_entry` in a worker thread.
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_deployer.errors import InputError
from batch_deployer.transport.auth.cloud_files import CloudFiles, find_files
from batch_deployer.transport.auth.keystone_login import silence
from batch_deployer.transport.auth.signing import Key
from batch_deployer.transport.tls import checked

_KEY_NAMES = ("ak", "access_key")
_SECRET_NAMES = ("sk", "secret_key")
_SECRET_WORDS = ("password", "secret", "token", "passcode", "sk", "assertion")
"""Parts of the names of settings whose values are secrets..."""
_PLAIN_ENDINGS = ("endpoint", "url", "type", "file")
"""...unless they end like this."""
_AGENCY_NAMES = {
    "username": ("username",),
    "password": ("password",),
    "user_domain_name": ("user_domain_name", "domain_name"),
    "user_domain_id": ("user_domain_id", "domain_id"),
    "agency": ("target_agency_name",),
    "agency_domain": ("target_domain_name",),
    "agency_domain_id": ("target_domain_id",),
    "project_name": ("target_project_name",),
    "project_id": ("target_project_id",),
    "project_domain_name": ("target_project_domain_name",),
    "project_domain_id": ("target_project_domain_id",),
}
"""What an agency's login needs, and under which keys of clouds.yaml it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a cloud's settings stand, and what the manifest says beside them."""

    who: str
    """The cloud, for messages."""
    label: str
    """The place of the settings, for messages."""
    cloud: str | None = None
    """Entry of clouds.yaml; None: the one that `OS_CLOUD` names, or the other `OS_*` variables."""
    region: str = ""
    project: str = ""
    project_id: str = ""
    from_cwd: bool = False
    """Whether clouds.yaml may lie in the working folder."""
    auth: Mapping[str, str] | None = field(default=None, repr=False)
    """All settings, under openstacksdk's names; None: files and environment have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the settings of a cloud come to. Exactly one of token, key and plugin is set."""

    auth_url: str = ""
    own: tuple[str, ...] = ()
    """The URLs that the owner of the credential names for it; others need a permission."""
    region: str = ""
    project: str = ""
    """Name of the project that is meant."""
    project_id: str = ""
    """Id of the project that is meant."""
    endpoint: str = ""
    """CCE, where the settings say so."""
    service_type: str = ""
    interfaces: tuple[str, ...] = ("public",)
    ca_file: str = ""
    client_certificate: Any = None
    subject: str = ""
    """Who logs in, for messages."""
    token: str = field(default="", repr=False)
    key: Key | None = None
    plugin: Any = field(default=None, repr=False)
    """A keystoneauth1 identity plugin."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[str, ...] = ()
    """The files that the settings were read from."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Every secret text, for redaction."""
        return (*self.secrets, self.token, *((self.key.secret, self.key.token) if self.key else ()))


def read_entry(source: Source) -> Entry:
    """Read the settings. Raises InputError, with the place and the remedy, when they cannot work."""
    plain = _region(source, {}, validate=False)
    settings = plain.config
    _refuse_unverified(settings, source.who)
    both = _flat(settings)
    _refuse_no_text(both, source)
    common = _common(plain, both, source)
    if access := _first(both, _KEY_NAMES):
        key = Key(access=access, secret=_first(both, _SECRET_NAMES), token=_first(both, ("security_token",)))
        return Entry(key=key, **common)
    if settings.get("auth_type") == "agency" or both.get("target_agency_name"):
        return _agency(both, common, source)
    more = _project_domain(both)
    if "applicationcredential" in str(settings.get("auth_type")):
        # It is of one project already, and Keystone refuses one that names any. The token tells whether it is the one meant.
        more = {"project_name": "", "project_id": ""}
    return _standard(_region(source, more, validate=True), common, source)


def _region(source: Source, more: Mapping[str, str], *, validate: bool) -> Any:
    """How openstacksdk sees the settings; with `validate` it makes the plugin that logs in, and wants all that it needs."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415 - half a second to load; only this needs it
    from openstack.config import OpenStackConfig  # noqa: PLC0415 - as above
    from openstack.exceptions import SDKException  # noqa: PLC0415 - as above

    silence()
    # openstacksdk warns of what it will drop one day, keystoneauth of settings that it reads all the same.
    warnings.filterwarnings("ignore", module=r"(openstack|keystoneauth1|stevedore)\b")
    ours = source.auth is not None
    try:
        lists = {} if ours else _files(source).lists
        config: Any = OpenStackConfig(load_yaml_config=not ours, load_envvars=not ours, **lists)
        return config.get_one(
            cloud=source.cloud,
            validate=validate,
            region_name=source.region,
            auth=dict(source.auth or {}),
            **{**_project(source), **more},
        )
    except InputError as error:
        raise InputError(f"{source.who}: {error}") from None
    except (SDKException, ClientException) as error:
        # These name the cloud, the region or the missing fields, never a secret.
        problem = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    except Exception as error:  # noqa: BLE001 - a YAML error shows the line it stumbled over, which may be the password
        problem = f"cannot be read ({type(error).__name__})"
    if "auth_url" in problem:
        raise _no_url(source)
    raise InputError(f"{source.who}: {source.label}: {problem}{_advice(source)}")


def _files(source: Source) -> CloudFiles:
    from openstack.config.loader import CONFIG_SEARCH_PATH  # noqa: PLC0415 - as above

    # The first is the working folder of the time when openstacksdk was loaded.
    return find_files([*([os.getcwd()] if source.from_cwd else []), *CONFIG_SEARCH_PATH[1:]], os.environ)  # noqa: PTH109


def _project(source: Source) -> dict[str, str]:
    """The manifest's project as arguments. It replaces the entry's, which may stand there by its other name.

    Settings beside `auth` go before those in it, so the arguments stand there; an empty text takes a setting away.
    """
    if source.project_id:
        return {"project_id": source.project_id, "project_name": ""}
    return {"project_name": source.project, "project_id": ""} if source.project else {}


def _project_domain(settings: Mapping[str, Any]) -> dict[str, str]:
    """The domain of a project that is named: the user's own, unless the settings name one."""
    domains = ("project_domain_id", "project_domain_name", "default_domain_id", "default_domain_name", "default_domain")
    if not settings.get("project_name") or settings.get("project_id") or any(map(settings.get, domains)):
        return {}
    for name in ("domain_id", "domain_name"):
        if text := settings.get(f"user_{name}"):
            return {f"project_{name}": str(text)}
    return {}


def _standard(region: Any, common: Mapping[str, Any], source: Source) -> Entry:
    from keystoneauth1.identity import BaseIdentityPlugin  # noqa: PLC0415 - as above
    from keystoneauth1.identity.generic.base import BaseGenericPlugin  # noqa: PLC0415 - as above

    plugin: Any = region.get_auth()
    settings, auth = region.config, region.config.get("auth") or {}
    if not isinstance(plugin, BaseIdentityPlugin):
        raise InputError(
            f"{source.who}: auth_type {settings.get('auth_type')!r} brings no token; use password, token or an access key"
        )
    url = _checked_url(auth.get("auth_url"), source)
    if isinstance(plugin, BaseGenericPlugin):
        if "password" in str(settings.get("auth_type")):
            needs(auth, source.who, source.label, "username", "user_id")
            needs(auth, source.who, source.label, "password")
        # No look at what the service offers: its answer could lead the password elsewhere.
        no_session: Any = None
        plugin = plugin.create_plugin(no_session, (3, 0), url)
    user = auth.get("username") or auth.get("user_id") or auth.get("application_credential_id")
    domain = auth.get("user_domain_name") or auth.get("user_domain_id")
    subject = f"user {user!r}" + (f" of domain {domain!r}" if domain else "") if user else "the credential"
    return Entry(plugin=plugin, subject=subject, **{**common, "auth_url": url})


def _agency(settings: Mapping[str, Any], common: Mapping[str, Any], source: Source) -> Entry:
    from batch_deployer.transport.auth.agency import agency_login  # noqa: PLC0415 - as above

    options = {name: _first(settings, spellings) for name, spellings in _AGENCY_NAMES.items()}
    if source.project or source.project_id:
        options |= {"project_name": source.project, "project_id": source.project_id}
    for names in (("username",), ("password",), ("user_domain_name", "user_domain_id")):
        needs(options, source.who, "agency", *names)
    needs(options, source.who, "agency", "agency_domain", "agency_domain_id")
    needs(options, source.who, "agency", "project_name", "project_id")
    url = _checked_url(common["auth_url"], source)
    domain = options["user_domain_name"] or options["user_domain_id"]
    subject = f"user {options['username']!r} of domain {domain!r} for agency {options['agency']!r}"
    project = {"project": options["project_name"], "project_id": options["project_id"]}
    return Entry(plugin=agency_login(url, options), subject=subject, **{**common, **project, "auth_url": url})


def _common(region: Any, settings: Mapping[str, Any], source: Source) -> dict[str, Any]:
    interface = region.get_interface("cce") or "public"
    ca_file, certificate = str(settings.get("cacert") or ""), region.get_requests_verify_args()[1]
    service_type = region.get_service_type("cce")
    project_id = str(settings.get("project_id") or "")
    auth_url, endpoint = str(settings.get("auth_url") or ""), str(region.get_endpoint("cce") or "")
    return {
        "auth_url": auth_url,
        "own": (auth_url, endpoint),
        "region": str(region.get_region_name("cce") or ""),
        # Keystone takes the id where both are set, and so does the comparison; what the manifest says is compared in full.
        "project": source.project or ("" if project_id else str(settings.get("project_name") or "")),
        "project_id": project_id,
        "endpoint": endpoint,
        "service_type": "" if service_type == "cce" else service_type,
        "interfaces": tuple(
            str(each).removesuffix("URL") for each in (interface if isinstance(interface, list) else [interface])
        ),
        "ca_file": str(Path(ca_file).expanduser()) if ca_file else "",
        "client_certificate": certificate,
        "secrets": _secrets(settings),
        "files": () if source.auth is not None else _files(source).found,
    }


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings beside `auth` and in it as one: those beside it win, as openstacksdk has it."""
    auth: Mapping[str, Any] = settings.get("auth") or {}
    return {**auth, **{name: value for name, value in settings.items() if value is not None and name != "auth"}}


def _secrets(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Every secret text of the settings, for redaction."""
    return tuple(
        str(value)
        for name, value in settings.items()
        if isinstance(value, str | int) and value and set(name.split("_")) & set(_SECRET_WORDS)
        if not name.endswith(_PLAIN_ENDINGS)
    )


def _checked_url(url: Any, source: Source) -> str:
    """The address of the identity service, with its version."""
    if not url:
        raise _no_url(source)
    bare = checked(str(url), f"{source.who}: auth_url")
    if bare.endswith("/v2.0"):
        raise InputError(f"{source.who}: auth_url {bare!r} is of version 2 of the identity service; write /v3")
    return bare if bare.endswith("/v3") else f"{bare}/v3"


def _no_url(source: Source) -> InputError:
    return InputError(
        f"{source.who}: {source.label}: give auth_url, for example https://iam.eu-de.otc.t-systems.com/v3"
    )


def _advice(source: Source) -> str:
    return "; check the names, where the file lies and that it is YAML" if source.cloud else "; check the settings"


def _refuse_no_text(settings: Mapping[str, Any], source: Source) -> None:
    """A byte of a variable that is no UTF-8 would go out as half a character, and count as a wrong password."""
    for name, value in settings.items():
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise InputError(f"{source.who}: {source.label}: {name} holds text that is no valid Unicode")


def _refuse_unverified(settings: Mapping[str, Any], who: str) -> None:
    words = (str(settings.get("insecure")).lower(), str(settings.get("verify")).lower())
    if words[0] in {"true", "1", "yes"} or words[1] in {"false", "0", "no"}:
        raise InputError(f"{who}: TLS cannot be left unverified; take out insecure or verify, and give cacert instead")


def _first(settings: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(settings[name]) for name in names if settings.get(name)), "")


def needs(options: Mapping[str, str], who: str, method: str, *alternatives: str) -> None:
    """Raise InputError unless one of the alternatives is given."""
    if not any(options.get(name) for name in alternatives):
        raise InputError(f"{who}: auth method {method} needs {' or '.join(alternatives)}")
