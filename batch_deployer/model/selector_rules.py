"""Whether a cluster's tags satisfy a selector."""

from collections.abc import Mapping
from typing import assert_never

from batch_deployer.model.selectors import Operator, Requirement, Selector


def matches(selector: Selector, tags: Mapping[str, str]) -> bool:
    """Whether all requirements hold. The empty selector matches everything."""
    return all(_holds(requirement, tags) for requirement in selector)


def _holds(requirement: Requirement, tags: Mapping[str, str]) -> bool:
    match requirement.operator:
        case Operator.IN:
            return tags.get(requirement.tag) in requirement.values
        case Operator.NOT_IN:
            return tags.get(requirement.tag) not in requirement.values
        case Operator.EXISTS:
            return requirement.tag in tags
        case Operator.ABSENT:
            return requirement.tag not in tags
        case never:
            assert_never(never)
