"""Several processes on one project at once, judged by the provider's own count."""

import itertools
import signal
import sqlite3
import time

import pytest

EACH = 25


def three(provider, *, writes, reads="20/s", each=EACH):
    """Manifests of three runs with clusters of their own, which call one project by different words."""
    words = [{}, {"endpoint": f"{provider.url}/"}, {"auth": provider.url.upper().replace("HTTP", "http")}]
    return [
        provider.write(
            f"m{number}", clusters=range(number * each, (number + 1) * each), writes=writes, reads=reads, **more
        )
        for number, more in enumerate(words)
    ]


def finish(processes):
    ends = [process.communicate(timeout=180) for process in processes]
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, ends, strict=True)]


def judged(provider, count, reads=20):
    """Times of all writes, once the provider has confirmed that no limit was exceeded."""
    peaks = provider.process.get("stats")["peaks"]["sim"]
    for bucket, most in (("writes", count), ("reads", reads)):
        assert peaks[bucket]["peak"] <= most
        assert peaks[bucket]["refused"] == 0
    ledger = provider.process.ledger()
    assert ledger["duplicates"] == []
    assert set(ledger["creates"].values()) == {1}
    return sorted(entry["at"] for entry in provider.process.get("entries"))


@pytest.mark.parametrize(("writes", "count", "period"), [("10/6s", 10, 6.0), ("5/s", 5, 1.0)])
def test_three_processes_never_exceed_a_limit_and_name_each_other(make_provider, writes, count, period):
    provider = make_provider(clusters=3 * EACH, writes=writes, reads="20/s")
    runs = [
        provider.start("run", manifest, "--yes", "--run-id", f"r{number}")
        for number, manifest in enumerate(three(provider, writes=writes))
    ]
    ends = finish(runs)
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    times = judged(provider, count)
    bound = (len(times) - count) * period / count
    # How much of the limit is used is asserted on the virtual clock; here only that nobody waits for nothing.
    assert times[-1] - times[0] <= 2 * (bound + period)
    for number, (_, out, err) in enumerate(ends):
        others = {f"r{each}" for each in range(3)} - {f"r{number}"}
        assert "the limits of cloud sim are shared with r" in err
        assert set(provider.report(f"r{number}")["shared_with"]["sim"]) <= others
        assert "limits of sim shared with r" in out
    database = sqlite3.connect(provider.folder / "state/limits.db")
    assert database.execute("SELECT count(*) FROM limit_members").fetchone() == (0,)
    (scope,) = {scope for (scope,) in database.execute("SELECT scope FROM limit_rates")}
    assert scope.startswith(f"{provider.url}|")
    database.close()


def test_a_process_that_is_killed_gives_its_slots_back_and_its_writes_go_on_counting(make_provider):
    provider = make_provider(clusters=60, writes="6/4s", reads="20/s")
    manifests = three(provider, writes="6/4s", each=20)
    runs = [provider.start("run", each, "--yes", "--run-id", f"r{number}") for number, each in enumerate(manifests)]
    time.sleep(12.0)
    runs[1].kill()
    runs[1].communicate()
    resumed = provider.start("resume", "r1")
    ends = finish([runs[0], runs[2], resumed])
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    times = judged(provider, 6)
    assert len(times) == 60
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps) <= 10.0


def test_a_process_that_hangs_is_not_waited_for_and_sends_nothing_when_it_wakes_too_late(make_provider):
    provider = make_provider(clusters=40, writes="4/2s", reads="20/s")
    first = provider.start("run", provider.write("a", clusters=range(20), writes="4/2s", reads="20/s"), "--yes")
    time.sleep(4.0)
    first.send_signal(signal.SIGSTOP)
    stopped = time.time()
    second = provider.start("run", provider.write("b", clusters=range(20, 40), writes="4/2s", reads="20/s"), "--yes")
    time.sleep(14.0)
    before = len(provider.process.get("entries"))
    woken = time.time()
    first.send_signal(signal.SIGCONT)
    ends = finish([first, second])
    assert [code for code, _, _ in ends] == [0, 0], ends
    times = judged(provider, 4)
    assert before > len([at for at in times if at < stopped + 0.5])
    assert [at for at in times if at > woken]


def test_a_locked_file_is_waited_for_and_each_run_says_so(make_provider):
    provider = make_provider(clusters=30, writes="4/2s", reads="20/s")
    first = provider.start("run", provider.write("a", clusters=range(15), writes="4/2s", reads="20/s"), "--yes")
    time.sleep(3.0)
    path = provider.folder / "state/limits.db"
    blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN EXCLUSIVE")
    locked = time.time()
    second = provider.start("run", provider.write("b", clusters=range(15, 30), writes="4/2s", reads="20/s"), "--yes")
    time.sleep(12.0)
    unlocked = time.time()
    blocker.execute("ROLLBACK")
    blocker.close()
    ends = finish([first, second])
    assert [code for code, _, _ in ends] == [0, 0], ends
    times = judged(provider, 4)
    assert len(times) == 30
    assert not [at for at in times if locked + 6.5 < at < unlocked]
    for _, _, err in ends:
        assert "cannot be read" in err
        assert "it is waited for" in err


def test_a_file_that_cannot_be_used_is_a_warning_and_limits_are_not_shared(make_provider):
    provider = make_provider(clusters=4, writes="10/s", reads="20/s")
    provider.run(provider.write("a", clusters=range(2), reads="20/s"))
    (provider.folder / "state/limits.db").write_bytes(b"nonsense" * 1000)
    code, _, err, _ = provider.run(provider.write("b", clusters=range(2, 4), reads="20/s"))
    assert code == 0
    assert "rate limits are not shared with other runs of this state folder" in err


@pytest.mark.parametrize("status", [429, 503])
def test_three_processes_learn_the_limit_of_nginx_together(make_provider, make_limiter, status):
    provider = make_provider(clusters=45, writes="50/s", reads="100/s")
    limiter = make_limiter(provider, status=status, writes="2r/s")
    manifests = [
        provider.write(
            f"m{number}",
            clusters=range(number * 15, number * 15 + 15),
            endpoint=limiter.url,
            writes="10/s",
            reads="50/s",
        )
        for number in range(3)
    ]
    ends = finish([provider.start("run", each, "--yes") for each in manifests])
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    assert provider.process.ledger()["duplicates"] == []
    assert limiter.writes()[status] <= 45
