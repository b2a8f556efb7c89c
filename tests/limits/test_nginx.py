"""Against nginx's limit_req: a limit five times lower than the configured one, that answers 429 or 503 and names no time."""

import pytest

DEPLOYMENTS = 40
REAL = 2.0
"""Writes a second."""
FIRST_PAUSE = 5.0


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_that_names_no_time_is_learned_whatever_its_status_is(make_provider, make_limiter, status):
    provider = make_provider(clusters=DEPLOYMENTS, writes="50/s")
    limiter = make_limiter(provider, status=status, writes="2r/s")
    manifest = provider.write("m", clusters=range(DEPLOYMENTS), endpoint=limiter.url, writes="10/s")
    code, _, err, seconds = provider.run(manifest)
    statuses = limiter.writes()
    assert code == 0, err
    assert provider.process.ledger()["duplicates"] == []
    assert statuses[status] <= DEPLOYMENTS // 2
    assert seconds <= FIRST_PAUSE + 2.5 * DEPLOYMENTS / REAL


def test_a_503_that_names_a_wait_is_obeyed(make_provider, make_limiter):
    provider = make_provider(clusters=12, writes="50/s")
    limiter = make_limiter(provider, status=503, writes="1r/s", more="add_header Retry-After 3 always;")
    manifest = provider.write("m", clusters=range(12), endpoint=limiter.url, writes="4/s")
    code, _, err, _ = provider.run(manifest)
    assert code == 0, err
    assert provider.process.ledger()["duplicates"] == []
    answers = limiter.answers("POST")
    first_refused = next(at for at, status in answers if status == 503)
    echoes = first_refused + 0.5
    assert not [at for at, _ in answers if echoes < at < first_refused + 3.0]
    assert limiter.writes()[503] <= 12
