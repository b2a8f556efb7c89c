"""Chart versions compared as Helm reads them: `24.1`, `24.1.0` and `v24.1` are one version."""

import re
from functools import lru_cache

_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?([-+].*)?", re.ASCII)


@lru_cache(maxsize=4096)
def canonical(version: str) -> str:
    """The full spelling of a chart version, `major.minor.patch` and suffix; other text comes back stripped."""
    text = version.strip()
    found = _VERSION.fullmatch(text)
    if found is None:
        return text
    return f"{found[1]}.{found[2] or '0'}.{found[3] or '0'}{found[4] or ''}"


def same_version(one: str, other: str) -> bool:
    """Whether two spellings name one chart version."""
    return one == other or canonical(one) == canonical(other)
