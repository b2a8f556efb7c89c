"""Every row of the error table, for every kind of call."""

import pytest

from batch_deployer.model.api import (
    Answer,
    CreateRelease,
    DeleteRelease,
    ListReleases,
    Sent,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation
from batch_deployer.rules.responses import Verdict, describe, fingerprint, judge, throttle_wait

WHERE = {"cluster_id": "c", "namespace": "ns", "name": "web"}
CREATE = CreateRelease(**WHERE, chart_id="x", version="1.0.0")
UPGRADE = UpdateRelease(**WHERE, operation=Operation.UPGRADE, chart_id="x")
ROLLBACK = UpdateRelease(**WHERE, operation=Operation.ROLLBACK, chart_id="x")
DELETE = DeleteRelease(**WHERE)
LIST = ListReleases(cluster_id="c")
SHOW = ShowRelease(**WHERE)
WRITES = (CREATE, UPGRADE, ROLLBACK, DELETE)
READS = (LIST, SHOW)


def cce(http, *numbers):
    """The same number in every family that documents it."""
    return [f"CCE.{family}{http}{number:03d}" for family in ("01", "02", "03") for number in numbers]


# HTTP status, codes, message, verdict of any call; or (verdict of a write, verdict of a read).
ROWS = [
    (400, [*cce(400, 1), "CCE_CM.0004"], "Invalid request.", Verdict.REJECTED),
    (400, cce(400, 6), "content type not supported", Verdict.REJECTED),
    (400, cce(400, 7, 8, 9, 10, 11, 12, 13, 19, 20), "quota", Verdict.REJECTED),
    (400, cce(400, 2, 3, 4, 5, 14, 15, 16, 17, 18, 21, 22), "fault", Verdict.REJECTED),
    (400, ["APIGW.0201", "APIG.0201"], "malformed", Verdict.REJECTED),
    (400, ["APIGW.0104", "APIGW.0105", "APIGW.0106", "APIGW.0602", "APIGW.0607"], "gateway", Verdict.REJECTED),
    (400, ["IAM.0007", "IAM.0011", "IAM.0072", "IAM.0073"], "bad auth body", Verdict.REJECTED),
    (400, ["IAM.1101", "IAM.1102", "IAM.1103"], "wrong user or password", Verdict.AUTH),
    (400, ["IAM.1104", "IAM.1105", "IAM.1106", "IAM.1107"], "AK blacklisted", Verdict.AUTH),
    (400, ["IAM.1108"], "temporary security token expired", Verdict.EXPIRED),
    (400, ["IAM.1109"], "project not found", Verdict.AUTH),
    (401, cce(401, 1), "Authorization failed.", Verdict.EXPIRED),
    (401, ["APIGW.0307", "APIG.0307"], "The token must be updated", Verdict.EXPIRED),
    (401, ["APIGW.0301"], "Incorrect IAM authentication information: decrypt token fail", Verdict.EXPIRED),
    (401, ["APIGW.0301"], "Incorrect IAM authentication information: verify aksk signature fail", Verdict.AUTH),
    (401, ["APIGW.0301"], "Incorrect IAM authentication information: ak ABC123 not exist", Verdict.AUTH),
    (401, ["APIGW.0301"], "Incorrect IAM authentication information: Get secretKey failed", Verdict.AUTH),
    (401, ["APIGW.0301"], "AK access failed to reach the limit,forbidden", Verdict.AUTH),
    (401, ["APIGW.0303", "APIG.0303"], "signature expired", Verdict.AUTH),
    (401, ["APIGW.0305", "APIGW.0311"], "auth fault", Verdict.AUTH),
    (401, ["IAM.0001", "IAM.0063", "IAM.0064", "IAM.0067"], "auth missing", Verdict.EXPIRED),
    (401, ["IAM.0066"], "token expired", Verdict.EXPIRED),
    (401, ["IAM.0061", "IAM.0062"], "account locked", Verdict.AUTH),
    (403, cce(403, 1), "access denied", Verdict.DENIED),
    (403, cce(403, 2, 3, 4, 5, 6, 7, 8, 9), "the state forbids it", (Verdict.STATE, Verdict.STATE)),
    (403, [f"APIGW.{n}" for n in ("0302", "0304", "0306", "0310", "0401", "0402", "0404", "0801", "0802")], "", Verdict.DENIED),
    (403, ["IAM.0002", "IAM.0003", "IAM.0080", "IAM.0081", "IAM.0082", "IAM.0083"], "", Verdict.DENIED),
    (404, [*cce(404, 1), "CCE_CM.0003"], "not found", Verdict.ABSENT),
    (404, ["APIGW.0101", "APIG.0101", "APIGW.0103", ""], "API not found", Verdict.MISROUTED),
    (404, ["IAM.0004"], "project not found", Verdict.MISROUTED),
    (405, ["APIGW.0501", "APIGW.0502"], "app quota used up", Verdict.REJECTED),
    (408, [""], "", (Verdict.AMBIGUOUS, Verdict.TRANSIENT)),
    (409, cce(409, 2), "out-of-date resource version", Verdict.UNSETTLED),
    (410, ["IAM.0020"], "failed over to another region", Verdict.TRANSIENT),
    (410, [""], "gone", Verdict.REJECTED),
    (413, ["APIGW.0201"], "body too large", Verdict.REJECTED),
    (414, ["APIGW.0201"], "URI too large", Verdict.REJECTED),
    (494, ["APIGW.0201"], "headers too large", Verdict.REJECTED),
    (422, [""], "semantic error", Verdict.REJECTED),
    (429, ["APIGW.0308", "APIG.0308"], "policy user over ratelimit,limit:10,time:1 minute", Verdict.THROTTLED),
    (429, cce(429, 1), "throttled", Verdict.THROTTLED),
    (429, cce(429, 2), "locked by another request", Verdict.LOCKED),
    (429, cce(429, 3), "too many tasks", Verdict.THROTTLED),
    (429, ["IAM.0012", "", "429"], "20 times per 60 seconds", Verdict.THROTTLED),
    (500, [*cce(500, 1), "IAM.0006"], "internal", (Verdict.AMBIGUOUS, Verdict.TRANSIENT)),
    (
        500,
        [f"APIGW.{n}" for n in ("0601", "0605", "0606", "0608", "0609", "0611", "0612", "0705")],
        "gateway internal",
        (Verdict.AMBIGUOUS, Verdict.TRANSIENT),
    ),
    (502, ["APIGW.0201", "APIGW.0610", ""], "backend unavailable", (Verdict.AMBIGUOUS, Verdict.TRANSIENT)),
    (503, ["APIGW.0613", ""], "unavailable", (Verdict.AMBIGUOUS, Verdict.TRANSIENT)),
    (504, ["APIGW.0201", ""], "backend timeout", (Verdict.AMBIGUOUS, Verdict.TRANSIENT)),
]  # fmt: skip
CASES = [
    pytest.param(status, code, message, verdicts, id=f"{status} {code} {message}".strip())
    for status, codes, message, verdicts in ROWS
    for code in codes
]


@pytest.mark.parametrize(("status", "code", "message", "verdicts"), CASES)
def test_each_documented_error_has_its_verdict(status, code, message, verdicts):
    write, read = verdicts if isinstance(verdicts, tuple) else (verdicts, verdicts)
    answer = Answer(status=status, code=code, message=message)
    assert {judge(call, answer) for call in WRITES} == {write}
    assert {judge(call, answer) for call in READS} == {read}


@pytest.mark.parametrize("code", [code for row in ROWS if row[0] in {404, 409, 429} for code in row[1] if code])
def test_a_code_counts_in_either_field_of_the_body(code):
    status = next(row[0] for row in ROWS if code in row[1] and row[0] in {404, 409, 429})
    alone = judge(CREATE, Answer(status=status, code=code))
    assert judge(CREATE, Answer(status=status, code="E.CFE.4000201", other_code=code)) is alone


@pytest.mark.parametrize("code", ["CCE.01409001", "CCE.02409001", "CCE.03409001", ""])
def test_a_conflict_means_that_the_release_exists_to_a_create_and_is_final_to_anything_else(code):
    answer = Answer(status=409, code=code, message="already exists")
    assert judge(CREATE, answer) is Verdict.EXISTS
    assert {judge(call, answer) for call in (UPGRADE, ROLLBACK, DELETE, *READS)} == {Verdict.REJECTED}


@pytest.mark.parametrize("status", [400, 403, 409, 422])
@pytest.mark.parametrize(
    "message", ["The release name is already exist", "cannot re-use a name that is already in use", "name web already exists"]
)  # fmt: skip
def test_helms_own_words_for_a_taken_name_are_understood_whatever_the_status(status, message):
    expected = Verdict.DENIED if status == 403 else Verdict.EXISTS
    assert judge(CREATE, Answer(status=status, code="CCE.01400001", message=message)) is expected


@pytest.mark.parametrize("status", [400, 403, 409, 429])
def test_an_update_refused_while_the_release_changes_is_unsettled_whatever_the_status(status):
    answer = Answer(status=status, message="Update release is forbidden")
    assert judge(UPGRADE, answer) is Verdict.UNSETTLED


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_accepts_a_write_even_without_a_body(status):
    assert {judge(call, Answer(status=status)) for call in WRITES} == {Verdict.OK}


def test_a_read_without_a_readable_body_says_nothing():
    assert judge(LIST, Answer(status=200)) is Verdict.TRANSIENT
    assert judge(LIST, Answer(status=200, body=[])) is Verdict.OK


@pytest.mark.parametrize(("sent", "write"), [(Sent.NO, Verdict.TRANSIENT), (Sent.MAYBE, Verdict.AMBIGUOUS)])
def test_no_answer_is_ambiguous_only_for_a_write_that_may_have_left(sent, write):
    answer = Answer(status=0, sent=sent, message="reset")
    assert {judge(call, answer) for call in WRITES} == {write}
    assert {judge(call, answer) for call in READS} == {Verdict.TRANSIENT}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_wrong_address(status):
    assert {judge(call, Answer(status=status)) for call in (*WRITES, *READS)} == {Verdict.MISROUTED}


@pytest.mark.parametrize(
    ("status", "write", "read"),
    [
        (400, Verdict.REJECTED, Verdict.REJECTED),
        (401, Verdict.EXPIRED, Verdict.EXPIRED),
        (403, Verdict.DENIED, Verdict.DENIED),
        (404, Verdict.MISROUTED, Verdict.MISROUTED),
        (418, Verdict.REJECTED, Verdict.REJECTED),
        (429, Verdict.THROTTLED, Verdict.THROTTLED),
        (499, Verdict.REJECTED, Verdict.REJECTED),
        (500, Verdict.AMBIGUOUS, Verdict.TRANSIENT),
        (599, Verdict.AMBIGUOUS, Verdict.TRANSIENT),
    ],
)
@pytest.mark.parametrize("message", ["", "<html><body>Bad Gateway</body></html>", "\u2603 404 1234"])
def test_an_unknown_body_is_judged_by_its_status(status, write, read, message):
    answer = Answer(status=status, message=message)
    assert {judge(call, answer) for call in WRITES} == {write}
    assert {judge(call, answer) for call in READS} == {read}


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("policy user over ratelimit,limit:10,time:1 minute", 60.0),
        ("policy user over ratelimit,limit:10,time:10 second", 10.0),
        ("Policy User Over Ratelimit, Limit:10, Time: 2 Minutes", 120.0),
        ("ratelimit,limit:100,time:1 hour", 3600.0),
        ("ratelimit,limit:100,time:5 hour", 3600.0),
        ("the limit is 20 times per 45 seconds", 45.0),
        ("limit:10,time:0 second", 1.0),
        ("slow down", 77.0),
        ("", 77.0),
    ],
)
def test_a_throttle_waits_for_the_window_that_its_text_names(message, seconds):
    assert throttle_wait(Answer(status=429, message=message), 77.0) == seconds


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 1.0), (7.5, 7.5), (-3.0, 1.0), (86400.0, 3600.0)])
def test_retry_after_goes_before_the_text_and_is_bounded(asked, seconds):
    answer = Answer(status=429, message="limit:10,time:1 minute", retry_after=asked)
    assert throttle_wait(answer, 77.0) == seconds


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pull 'web:v1' failed on 10.0.0.7", "pull 'api:v22' failed on 10.0.31.254"),
        ("node a870253f-5dc7-11ee-bf71-0255ac100b03 is gone", "node 4d1ecb2c-229a-11e8-9c75-0255ac100ceb is gone"),
        ("digest 0255ac100b03aa99 missing", "digest bbbbbbbbbbbbbbbb missing"),
        ('namespace "team-a" terminating', 'namespace "team-b" terminating'),
        ("pods [web-1 web-2] not ready after 300.5s", "pods [api-9] not ready after 2s"),
    ],
)
def test_failures_with_one_cause_have_one_fingerprint(one, other):
    assert fingerprint("400", one) == fingerprint("400", other)


def test_different_causes_have_different_fingerprints():
    assert fingerprint("image pull failed") != fingerprint("quota exceeded")
    assert fingerprint("", "chart not found", "") == "chart not found"


def test_a_fingerprint_is_short():
    assert len(fingerprint("word " * 200)) == 160


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (Answer(status=0, sent=Sent.MAYBE, message="connection reset"), "connection reset"),
        (Answer(status=0), "no answer"),
        (Answer(status=502), "HTTP 502"),
        (
            Answer(status=409, code="CCE.01409001", other_code="CCE_CM.0004", message="exists", request_id="r1"),
            "HTTP 409 CCE.01409001 CCE_CM.0004: exists (request id r1)",
        ),
    ],
)
def test_an_answer_is_described_in_one_line(answer, line):
    assert describe(answer) == line
