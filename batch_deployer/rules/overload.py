"""Which answers with status 503 come from a limit and not from an outage or from one cluster's trouble."""

from collections import defaultdict, deque

COMPARED = 32
"""Answers that are compared."""
LEAST_SHARE = 0.25
LEAST_SHARE_WHILE_KNOWN = 0.1
"""Share of them that a limit refuses at least. Where it refuses fewer, repeating those costs less than a lower rate."""
LEAST_REFUSALS = 3
"""Fewer may come by chance."""
KNOWN_FOR = 128
"""Answers without a refusal until which a limit that was found counts as known."""


class OverloadDetector:
    """The answers of one cloud. A limit refuses some calls of every cluster and admits others in between.

    In an outage nothing is admitted in between. A cluster in trouble is refused again and again while others are admitted;
    so of each cluster only the first refusal after an admitted call counts. Reads and writes have counts of their own, and
    either may be what is admitted.
    """

    __slots__ = ("_answers", "_count", "_known_until", "_refused", "found")

    def __init__(self) -> None:
        """Nothing was answered yet."""
        self.found = False
        """Whether a limit has ever refused calls."""
        self._answers: dict[str, deque[tuple[float, bool]]] = defaultdict(lambda: deque(maxlen=COMPARED))
        """When the last calls of each kind departed, and whether they were refused; later refusals of one cluster are left
        out."""
        self._count = 0
        self._known_until = 0
        self._refused: dict[str, float] = {}
        """When the last refused call to each cluster departed that had none admitted since."""

    def admitted(self, kind: str, cluster_id: str, departed: float) -> None:
        """Note an answer that shows that the call was served. `kind`: `reads` or `writes`."""
        self._count += 1
        self._refused.pop(cluster_id, None)
        self._answers[kind].append((departed, False))

    def is_limit(self, kind: str, cluster_id: str, departed: float, *, asks_to_wait: bool) -> bool:
        """Note a 503 and return whether it comes from a limit. `asks_to_wait`: it has a Retry-After."""
        self._count += 1
        before = self._refused.get(cluster_id)
        self._refused[cluster_id] = departed
        if before is not None and self._is_served(before, departed):
            return False
        if before is None:
            self._answers[kind].append((departed, True))
        if asks_to_wait or self._is_pattern(kind, departed):
            self.found = True
            self._known_until = self._count + KNOWN_FOR
            return True
        return False

    @property
    def known(self) -> bool:
        """Whether a limit has refused calls lately."""
        return self._count <= self._known_until and self._known_until > 0

    def _is_pattern(self, kind: str, departed: float) -> bool:
        """Whether enough calls were refused, and calls were admitted between two refusals."""
        answers = self._answers[kind]
        refused = [at for at, is_refused in answers if is_refused]
        if not refused or not self._is_served(refused[0], departed):
            return False
        if self.known:
            return len(refused) >= LEAST_SHARE_WHILE_KNOWN * len(answers)
        return len(refused) >= LEAST_REFUSALS and len(refused) >= LEAST_SHARE * len(answers)

    def _is_served(self, after: float, until: float) -> bool:
        """Whether a call was admitted that departed in that time."""
        return any(
            not is_refused and after < at <= until for answers in self._answers.values() for at, is_refused in answers
        )
