"""Answers meant to harm: escape sequences, floods, bombs, endless nesting, redirects. Through the whole program."""

import gzip
import json
import re

import pytest

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\r\n\u202eevil\u200b\x9b1m end"
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]")


def listed(exchange):
    return exchange.method == "GET" and exchange.path.endswith("/releases") and exchange.status == 200


def refuse_in_colour(exchange):
    if exchange.method == "POST" and "/releases" in exchange.path:
        body = {"kind": "Status", "code": 400, "errorCode": "CCE.01400001" + HOSTILE, "message": HOSTILE}
        return exchange.answer(400, json.dumps(body).encode())
    if listed(exchange):
        releases = json.loads(exchange.body)
        for release in releases:
            release["status_description"] = HOSTILE
            release["status"] = "FAILED"
        return exchange.answer(200, json.dumps(releases).encode())
    return exchange


@pytest.mark.slow
def test_control_characters_of_a_server_never_reach_the_terminal_or_a_file(behind):
    with behind(refuse_in_colour) as stage:
        assert stage.run() == 1
        assert stage.perform("explain", "it", "four/shop/web") == 0
        assert stage.perform("report", "it") == 0
        assert "red" in "".join(stage.said)
        assert [text for text in stage.said if _CONTROL.search(text)] == []
        texts = [path.read_text() for path in (stage.state / "runs/it/report").iterdir()]
        assert [text for text in texts if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)] == []


def bomb(exchange):
    return exchange.answer(200, gzip.compress(b" " * (80 << 20), 1), Content_Encoding="gzip")


def maze(exchange):
    return exchange.answer(200, b"[" * 200_000 + b"]" * 200_000)


def flood(exchange):
    return exchange.answer(200, b" " * (65 << 20))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (bomb, "the answer unpacks to more than the 67108864 bytes allowed"),
        (maze, "the answer cannot be read"),
        (flood, "the answer of 68157440 bytes is larger than the 67108864 allowed"),
    ],
    ids=["a bomb", "a maze", "a flood"],
)
def test_an_answer_out_of_bounds_costs_its_own_cluster_only(behind, harm, said):
    with behind(
        lambda exchange: harm(exchange) if listed(exchange) and "100b04" in exchange.path else exchange
    ) as stage:
        stage.edit("retry: {", "retry: {give_up_after: 200ms, ")
        assert stage.run() == 1
        assert said in (stage.state / "runs/it/report/report.json").read_text()
        outcomes = dict(stage.outcomes())
        of_four = {outcome for key, outcome in outcomes.items() if "100b04" in key}
        assert of_four <= {"unreachable", "not_started"}
        assert {outcome for key, outcome in outcomes.items() if "100b04" not in key} == {"deployed"}


@pytest.mark.slow
def test_a_redirect_is_not_followed_and_its_target_hears_nothing(behind):
    heard = []

    def redirect(exchange):
        if exchange.path == "/trap":
            heard.append(exchange)
        if exchange.method == "POST" and "/releases" in exchange.path:
            return exchange.answer(307, b"", Location=f"/trap?token={exchange.token}")
        return exchange

    with behind(redirect) as stage:
        assert stage.run() == 1
        written = (stage.state / "runs/it/report/report.json").read_text()
        assert "a redirect to /trap?token=****** was not followed" in written
        assert heard == []
        assert [token for token in stage.tokens if token in written + "".join(stage.said)] == []
