"""When the writes of a journal may have reached the cloud: what still counts against a limit after a kill."""

import math
from collections.abc import Iterable, Iterator

from batch_deployer.model.events import DeploymentEvent, Event, Intended, RunStarted


def arrivals(latest_first: Iterable[Event]) -> Iterator[tuple[Intended, float]]:
    """Each intent with the wall time at which its write arrived at the latest, from events in reverse order.

    An intent is noted before its commit, and a commit may take long; what was noted of the deployment next came after the
    answer. When nothing followed, the write may have left at any time until its process died: before the next part of the
    run started, or infinity in the last part.
    """
    died = math.inf
    followed: dict[str, float] = {}
    for event in latest_first:
        if isinstance(event, RunStarted):
            died = event.at
        elif isinstance(event, DeploymentEvent):
            if isinstance(event, Intended):
                yield event, min(followed.get(event.key, math.inf), died)
            followed[event.key] = event.at
