"""Credentials of the environment that need no login, and so neither openstacksdk nor keystoneauth. Pure."""

from collections.abc import Mapping

from batch_deployer.errors import InputError
from batch_deployer.transport.auth.openstack_config import Entry
from batch_deployer.transport.auth.signing import Key

_KEY_VARIABLES = (
    ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN"),
    ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SECURITY_TOKEN"),
)
"""Key, secret and security token. otcextensions falls back to the second family."""


class Environment:
    """`OS_*` and `S3_*` variables."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """`variables`: such as `os.environ`."""
        self._variables = variables

    @property
    def own(self) -> tuple[str, ...]:
        """The URLs that the environment names for its credential."""
        names = ("OS_AUTH_URL", "OS_CCE_ENDPOINT_OVERRIDE", "OS_CCE_ENDPOINT")
        return tuple(url for name in names if (url := self._get(name)))

    def ready(self, who: str) -> Entry | None:
        """What needs no login; None when a login is wanted. Raises InputError when there is nothing at all.

        `who`: the cloud, for messages.
        """
        if self._get("OS_CLOUD"):
            return None
        if key := self._key(who):
            return self._with(key=key)
        token = self._get("OS_TOKEN", "OS_AUTH_TOKEN")
        if token and not self._get("OS_USERNAME", "OS_AUTH_TYPE"):
            return self._with(token=token)
        if not self._get("OS_AUTH_URL"):
            raise InputError(
                f"{who}: no credential is given; write auth into the manifest, name an entry of clouds.yaml, or set "
                "OS_CLOUD, OS_AUTH_URL with OS_USERNAME and OS_PASSWORD, OS_TOKEN, or OS_ACCESS_KEY with OS_SECRET_KEY"
            )
        return None

    def _with(self, *, token: str = "", key: Key | None = None) -> Entry:
        return Entry(
            own=self.own,
            token=token,
            key=key,
            project=self._get("OS_PROJECT_NAME", "OS_TENANT_NAME"),
            project_id=self._get("OS_PROJECT_ID", "OS_TENANT_ID"),
            endpoint=self._get("OS_CCE_ENDPOINT_OVERRIDE", "OS_CCE_ENDPOINT"),
            ca_file=self._get("OS_CACERT"),
        )

    def _key(self, who: str) -> Key | None:
        """An access key; key and secret come from the same family of variables."""
        for name, secret_name, token_name in _KEY_VARIABLES:
            if access := self._get(name):
                # The S3 names are often set for object storage alone, so they count only where nothing else is.
                if name != "OS_ACCESS_KEY" and self._get("OS_USERNAME", "OS_TOKEN", "OS_AUTH_TOKEN", "OS_AUTH_TYPE"):
                    continue
                if not self._get(secret_name):
                    raise InputError(f"{who}: {name} is set but {secret_name} is not; set both or neither")
                return Key(access=access, secret=self._get(secret_name), token=self._get(token_name))
        return None

    def _get(self, *names: str) -> str:
        return next((value for name in names if (value := self._variables.get(name, "").strip())), "")
