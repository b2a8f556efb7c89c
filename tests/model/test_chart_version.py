"""Spellings of one chart version."""

import pytest

from batch_deployer.model.chart_version import same_version


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("24.1", "24.1.0"),
        ("24.1", "v24.1"),
        ("v24.1.0", "24.1"),
        ("1", "v1.0.0"),
        ("24.1-rc.1", "v24.1.0-rc.1"),
        ("1.2+build.5", "1.2.0+build.5"),
        (" 1.2.3", "1.2.3"),
        ("latest", "latest"),
    ],
)
def test_spellings_of_one_version_are_equal(one, other):
    assert same_version(one, other)
    assert same_version(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("24.1", "24.10"),
        ("24.1", "24.1.1"),
        ("1.0.0", "1.0.0-rc.1"),
        ("1.0.0+a", "1.0.0+b"),
        ("v1", "v2"),
        ("latest", "vlatest"),
        ("1.0.0.0", "1.0.0"),
        ("", "0"),
        ("", "1.0.0"),
    ],
)
def test_different_versions_are_not(one, other):
    assert not same_version(one, other)
