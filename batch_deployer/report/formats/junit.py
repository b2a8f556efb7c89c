"""`junit.xml`: for CI systems."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape

from batch_deployer.model.deployment import Outcome
from batch_deployer.report.deployment_history import IN_FLIGHT, DeploymentHistory, State
from batch_deployer.report.document import RunInfo
from batch_deployer.report.rows import Rows, wave_name
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import run_info
from batch_deployer.util.text import clean

_ELEMENT = {
    Outcome.FAILED.value: "failure",
    Outcome.TIMED_OUT.value: "failure",
    Outcome.ROLLED_BACK.value: "failure",
    Outcome.REJECTED.value: "error",
    Outcome.UNREACHABLE.value: "error",
    IN_FLIGHT: "error",
    Outcome.DEFERRED.value: "skipped",
    Outcome.NOT_STARTED.value: "skipped",
}
"""`failure`: it was tried and is not there. `error`: it could not be tried, or nobody knows. Others passed."""


def to_junit(story: RunHistory, *, rows: Rows | None = None) -> Iterator[str]:
    """One testsuite for each wave and cloud, one testcase for each deployment."""
    info = run_info(story)
    suites: dict[tuple[int, str], list[DeploymentHistory]] = defaultdict(list)
    for record in story.records.values():
        suites[record.deployment.wave, record.deployment.cluster.cloud].append(record)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    totals = _counts(story.records.values())
    yield f"<testsuites{_attributes(name=info.manifest, **totals, time=f'{info.duration:.3f}')}>\n"
    for (wave, cloud), records in sorted(suites.items()):
        yield from _suite(info, clean(f"{wave_name(story, wave)}/{cloud}"), records, rows or Rows(story))
    yield "</testsuites>\n"


def _suite(info: RunInfo, name: str, records: list[DeploymentHistory], rows: Rows) -> Iterator[str]:
    spent = sum(record.duration or 0.0 for record in records)
    stamp = {"timestamp": info.started.split(".")[0]} if info.started else {}
    yield f"  <testsuite{_attributes(name=name, **_counts(records), time=f'{spent:.3f}', **stamp)}>\n    <properties>\n"
    code = "" if info.exit_code is None else str(info.exit_code)
    for key, value in {"run": info.id, "manifest": info.manifest, "state": info.state, "exit_code": code}.items():
        yield f"      <property{_attributes(name=key, value=value)}/>\n"
    yield "    </properties>\n"
    for record in records:
        yield _case(rows, record)
    yield "  </testsuite>\n"


def _case(rows: Rows, record: DeploymentHistory) -> str:
    deployment = record.deployment
    place = f"{_shared(deployment.cluster.cloud)}.{_shared(deployment.cluster.name)}"
    head = (
        f' classname="{place}.{_shared(deployment.release.namespace)}" name="{escape(clean(deployment.key))}"'
        f' time="{round(record.duration or 0.0, 3):.3f}"'
    )
    element = _element(record)
    if element is None:
        return f"    <testcase{head}/>\n"
    line = rows.of(record)
    message = line.reason or line.outcome
    if element == "skipped":
        message = f"deferred: {message}" if line.outcome == Outcome.DEFERRED else message
        return f"    <testcase{head}><skipped{_attributes(message=message)}/></testcase>\n"
    story_of_it = [
        f"outcome: {line.outcome}",
        f"reason: {message}",
        f"chart: {line.chart} {line.version}",
        f"action: {line.action or 'none planned'}",
        f"last status: {line.status or 'none seen'}, revision {line.revision}",
        f"writes intended: {line.attempts}, refused: {line.refusals}, uncertain: {line.uncertain}",
        f"request ids: {' '.join(line.request_ids) or 'none'}",
    ]
    if record.state is not State.ENDED:
        story_of_it.insert(1, f"left in state: {line.state}")
    body = escape("\n".join(story_of_it))
    return f"    <testcase{head}><{element}{_attributes(message=message, type=line.outcome)}>{body}</{element}></testcase>\n"


def _element(record: DeploymentHistory) -> str | None:
    return None if record.succeeded else _ELEMENT.get(record.word)


def _counts(records: Iterable[DeploymentHistory]) -> dict[str, str]:
    elements = Counter(map(_element, records))
    return {
        "tests": str(elements.total()),
        "failures": str(elements["failure"]),
        "errors": str(elements["error"]),
        "skipped": str(elements["skipped"]),
    }


@lru_cache(maxsize=1024)
def _shared(text: str) -> str:
    """A text that many deployments share, as it stands in an attribute."""
    return escape(clean(text))


def _attributes(**values: str) -> str:
    """XML attributes of texts that are clean of control characters already."""
    return "".join(f' {name}="{escape(value)}"' for name, value in values.items())
