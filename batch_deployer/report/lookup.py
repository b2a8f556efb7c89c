"""Finding one deployment of a plan by what a person types."""

from difflib import get_close_matches

from batch_deployer.errors import InputError
from batch_deployer.model.deployment import Deployment
from batch_deployer.plan.plan import Plan
from batch_deployer.util.text import clean

_MOST = 5


def find(plan: Plan, text: str) -> Deployment:
    """The deployment with this key, or `cluster-name/namespace/name`. Raises InputError with near names."""
    wanted = text.strip().strip("/")
    named = [deployment for deployment in plan.deployments if wanted in (deployment.key, readable(deployment))]
    exact = [deployment for deployment in named if deployment.key == wanted]
    if len(exact or named) == 1:
        return (exact or named)[0]
    if named:
        keys = ", ".join(clean(deployment.key) for deployment in named[:_MOST])
        raise InputError(f"{clean(wanted)!r} names {len(named)} deployments; use one of their keys: {keys}")
    near = _near(plan, wanted)
    advice = f"did you mean {' or '.join(near)}?" if near else "see `report RUN --format csv` for all keys"
    raise InputError(f"the run has no deployment {clean(wanted)!r}; {advice}")


def readable(deployment: Deployment) -> str:
    """`cluster-name/namespace/name`."""
    return f"{deployment.cluster.name}/{deployment.release.namespace}/{deployment.release.name}"


def _near(plan: Plan, wanted: str) -> list[str]:
    """Readable names that hold what was typed, or differ little in cluster, namespace or release."""
    names = [readable(deployment) for deployment in plan.deployments]
    folded = wanted.casefold()
    holding = [name for name in names if folded and folded in name.casefold()]
    if holding:
        return [clean(name) for name in holding[:_MOST]]
    cluster, _, rest = wanted.partition("/")
    known = {deployment.cluster.name for deployment in plan.deployments}
    known |= {deployment.cluster.id for deployment in plan.deployments}
    clusters = set(get_close_matches(cluster, known, n=3, cutoff=0.6))
    candidates = [
        readable(deployment)
        for deployment in plan.deployments
        if deployment.cluster.name in clusters or deployment.cluster.id in clusters
    ]
    target = wanted if rest else cluster
    found = get_close_matches(target, candidates, n=3, cutoff=0.4) or candidates[:3]
    return [clean(name) for name in found]
