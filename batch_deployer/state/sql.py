"""SQL files with named sections: `-- name: append` and the text up to the next name."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load_sql(file: str) -> Mapping[str, str]:
    """Section name to SQL of a file of this package, in the file's order; text before the first name is a comment."""
    _, *parts = _NAME.split(files("batch_deployer.state").joinpath(file).read_text("utf-8"))
    return MappingProxyType({name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)})


def load_all() -> None:
    """Read every file now: the program may be replaced while a run goes on."""
    for path in files("batch_deployer.state").iterdir():
        if path.name.endswith(".sql"):
            load_sql(path.name)
