"""Tag selectors: what is written, and which clusters it takes."""

import pytest

from batch_deployer.manifest.selector_fields import parse_selector
from batch_deployer.model.selector_rules import matches

TAGS = {"env": "prod", "tier": "core"}


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ("*", True),
        ({"env": "prod"}, True),
        ({"env": "dev"}, False),
        ({"env": "prod", "tier": "edge"}, False),
        ({"env": ["dev", "prod"]}, True),
        ({"env": {"in": ["dev", "prod"]}}, True),
        ({"env": {"in": ["dev"]}}, False),
        ({"env": {"not": "prod"}}, False),
        ({"env": {"not": ["dev", "test"]}}, True),
        ({"zone": {"not": "a"}}, True),
        ({"zone": {"exists": False}}, True),
        ({"env": {"exists": False}}, False),
        ({"env": {"exists": True}}, True),
        ({"zone": {"exists": True}}, False),
        ({"env": {"exists": True, "not": "prod"}}, False),
        ({"env": "pro*"}, False),
        ({"env": ""}, False),
    ],
)
def test_a_selector_takes_exactly_the_clusters_it_describes(written, fits):
    assert matches(parse_selector(written), TAGS) is fits


@pytest.mark.parametrize(
    "written", [{}, "prod", None, 1, [], {"env": []}, {"env": {}}, {"env": None}, {"env": {"in": 1}}]
)
def test_a_selector_that_means_nothing_is_refused(written):
    with pytest.raises(ValueError, match=r"selector|tag"):
        parse_selector(written)
