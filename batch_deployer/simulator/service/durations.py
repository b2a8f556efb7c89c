"""How long operations take: drawn per chart, keyed by release, revision and operation."""

from batch_deployer.model.deployment import Operation
from batch_deployer.simulator.keyed_random import lognormal
from batch_deployer.simulator.world.entities import SimChart

_SHARE = {Operation.CREATE: 1.0, Operation.UPGRADE: 0.8, Operation.ROLLBACK: 0.5, Operation.DELETE: 0.3}
"""Of an install; a guess."""


def duration(seed: int | str, chart: SimChart, operation: Operation, key: str, revision: int) -> float:
    """Simulated seconds from the accepted write to the terminal status."""
    return lognormal(chart.install * _SHARE[operation], chart.spread, seed, "takes", operation, key, revision)
