"""Whether to go on: budgets of failures, and failures that are not isolated."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from batch_deployer.settings import IntOrPercent


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing more is to be started."""

    scope: str
    reason: str


def over_budget(scope: str, name: str, failures: int, total: int, budget: IntOrPercent | None) -> Halt | None:
    """Halt when more than the allowed share of `total` failed; None means no limit."""
    if budget is None or failures <= budget.of(total):
        return None
    return Halt(
        scope, f"{failures} of {total} deployments of {_whose(scope, name)} did not succeed; max_failures is {budget}"
    )


def over_unreachable(scope: str, name: str, unreachable: int, total: int, budget: IntOrPercent) -> Halt | None:
    """Halt when more than the allowed share of `total` was unreachable."""
    if unreachable <= budget.of(total):
        return None
    return Halt(
        scope,
        f"{unreachable} of {total} deployments of {_whose(scope, name)} were unreachable; max_unreachable is {budget}",
    )


def over_deferred(deferred: int, total: int, budget: IntOrPercent) -> Halt | None:
    """Halt when more than the allowed share of the run's `total` is still deferred at its end."""
    if deferred <= budget.of(total):
        return None
    return Halt("deferred", f"{deferred} of {total} deployments of the run are deferred; max_deferred is {budget}")


def _whose(scope: str, name: str) -> str:
    return f"{scope} {name}" if name else f"the {scope}"


class CommonCauseDetector:
    """Finds failures with one cause: the same fingerprint on several clusters, and two thirds or more of what ended there."""

    __slots__ = ("_clusters", "_ended", "_failed", "_needed")

    def __init__(self, needed: int) -> None:
        """`needed`: clusters that must show the same failure; 0 turns it off."""
        self._needed = needed
        self._clusters: defaultdict[str, set[str]] = defaultdict(set)
        self._failed: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()

    def succeeded(self, release: str) -> None:
        """Count a deployment of `release` that went well after a write of ours."""
        self._ended[release] += 1

    def failed(self, release: str, cluster: str, fingerprint: str) -> Halt | None:
        """Count a failure; returns a Halt when it is systemic: of this release alone, or across releases."""
        self._ended[release] += 1
        if not self._needed or not fingerprint:
            return None
        for scope, ended in ((release, self._ended[release]), ("", self._ended.total())):
            cause = f"{scope}\n{fingerprint}"
            self._clusters[cause].add(cluster)
            self._failed[cause] += 1
            if len(self._clusters[cause]) >= self._needed and 3 * self._failed[cause] >= 2 * ended:
                what = f"of {scope} " if scope else ""
                return Halt(
                    "systemic",
                    f"the same failure {what}on {len(self._clusters[cause])} clusters "
                    f"({self._failed[cause]} of {ended} ended so): {fingerprint}",
                )
        return None
