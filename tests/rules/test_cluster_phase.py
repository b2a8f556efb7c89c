"""Which clusters may be deployed to, by the provider's word for their phase."""

import pytest

from batch_deployer.rules.cluster_phase import Readiness, readiness


@pytest.mark.parametrize("phase", ["Available", "ScalingUp", "ScalingDown"])
def test_a_usable_cluster_is_ready(phase):
    assert readiness(phase) is Readiness.READY


@pytest.mark.parametrize(
    "phase", ["Creating", "Resizing", "Upgrading", "Awaking", "RollingBack", "Hibernating", "Hibernation"]
)
def test_a_cluster_that_hibernates_or_is_on_its_way_is_asked_again_later(phase):
    assert readiness(phase) is Readiness.LATER


@pytest.mark.parametrize("phase", ["Unavailable", "Deleting", "Empty", "RollbackFailed", "Error"])
def test_a_cluster_that_will_not_come_back_within_the_run_is_refused(phase):
    assert readiness(phase) is Readiness.NEVER


@pytest.mark.parametrize("phase", ["Running", "available", "Frozen"])
def test_a_word_that_is_not_known_is_refused(phase):
    assert readiness(phase) is Readiness.NEVER


def test_a_phase_that_nobody_told_stops_nobody():
    assert readiness("") is Readiness.READY
