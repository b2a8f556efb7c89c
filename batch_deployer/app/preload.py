"""Loads before the first write whatever a run needs up to its end: the program's files may be replaced while it runs."""

from importlib import import_module

from batch_deployer.report.formats import registry
from batch_deployer.state import sql

_MODULES = (
    "encodings.idna",
    "tempfile",
    "traceback",
)
"""Modules that are imported late because most commands do not need them."""


def load_what_the_end_needs() -> None:
    """Load SQL, report formats with their templates, and what errors and later logins need."""
    sql.load_all()
    registry.load_all()
    for name in _MODULES:
        import_module(name)
