"""Secrets are found by name, said missing all at once, and taken out of every text."""

import json

import pytest

from batch_deployer.app.secrets import SecretStore, required, resolve_all
from batch_deployer.errors import InputError
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.model.redact import HIDDEN
from batch_deployer.plan.plan import AuthSpec, CloudSpec, Plan
from batch_deployer.transport.auth.login import read_options


def a_plan(*values, options=None):
    cluster = Cluster(id="c", name="one", cloud="sim")
    return Plan(
        name="nightly",
        clouds={"sim": CloudSpec(name="sim", auth=AuthSpec(method="password", options=options or {}))},
        deployments=tuple(
            Deployment(
                key=key_of("c", "ns", f"r{number}"),
                cluster=cluster,
                release=ReleaseSpec(
                    name=f"r{number}",
                    namespace="ns",
                    chart=ChartRef(id="x"),
                    version="1",
                    values_json=json.dumps(value),
                ),
            )
            for number, value in enumerate(values)
        ),
    )


def test_a_secret_comes_from_the_environment_or_from_a_file_without_its_last_line_end(tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    store = SecretStore({"NAME": "from-env"}, tmp_path)
    assert (store("env:NAME"), store("file:token")) == ("from-env", "from-file")


def test_all_missing_secrets_are_told_at_once_with_the_place_that_needs_them(tmp_path):
    plan = a_plan({"a": "${secret:env:ONE}"}, {"b": "${secret:file:two}"}, options={"password": "${secret:env:PW}"})
    with pytest.raises(InputError) as caught:
        resolve_all(plan, SecretStore({}, tmp_path))
    assert [str(fault) for fault in caught.value.diagnostics] == [
        "cloud sim, auth.password: the secret env:PW is not there; set the environment variable PW",
        "values of r0 on one: the secret env:ONE is not there; set the environment variable ONE",
        f"values of r1 on one: the secret file:two cannot be read (no such file or directory); put it into {tmp_path}/two",
    ]


def test_an_escaped_marker_is_no_secret():
    assert required(a_plan({"a": "$${secret:env:ONE}"})) == {}


@pytest.mark.parametrize(
    "spelled",
    [
        'pa"ss\\wörd/1',
        json.dumps('pa"ss\\wörd/1'),
        repr('pa"ss\\wörd/1'),
        "pa%22ss%5Cw%C3%B6rd%2F1",
    ],
)
def test_a_secret_is_taken_out_however_it_is_spelled(tmp_path, spelled):
    store = SecretStore({"PW": 'pa"ss\\wörd/1'}, tmp_path)
    store("env:PW")
    cleaned = store.redact(f"before {spelled} after")
    assert HIDDEN in cleaned
    assert "ss" not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


def test_each_line_of_a_secret_is_taken_out_too(tmp_path):
    (tmp_path / "key").write_text("BEGIN\nsecretline\nEND\n")
    store = SecretStore({}, tmp_path)
    store("file:key")
    assert store.redact("oops secretline") == f"oops {HIDDEN}"


def test_a_store_does_not_show_its_secrets(tmp_path):
    store = SecretStore({"PW": "hunter2"}, tmp_path)
    store("env:PW")
    assert repr(store) == "SecretStore(['env:PW'])"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"pw", "pw"),
        (b"pw\n", "pw"),
        (b"pw\r\n", "pw"),
        (b"pw\n\n", "pw\n"),
        (b"\xef\xbb\xbfpw\n", "pw"),
        (b" pw \n", " pw "),
        (b"a\r\nb\r\n", "a\r\nb"),
        (b"pw\r", "pw"),
        ("p\u00e4\u2028\ufeff".encode(), "p\u00e4\u2028\ufeff"),
        (b"", ""),
    ],
)
def test_a_secret_file_is_taken_but_for_a_byte_order_mark_and_one_line_end(tmp_path, data, text):
    """The same in values and in auth."""
    (tmp_path / "s").write_bytes(data)
    store = SecretStore({}, tmp_path)
    assert store("file:s") == text
    if text:
        spec = AuthSpec(method="token", options={"token": "${secret:file:s}"})
        assert read_options(spec, "cloud 'c'", store)["token"] == text


def test_the_text_of_a_variable_is_taken_as_it_is(tmp_path):
    assert SecretStore({"S": " pw \n"}, tmp_path)("env:S") == " pw \n"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxys_password_is_a_secret(tmp_path, name, scheme):
    store = SecretStore({name: f"{scheme}user:pr0xy%2Fpw@proxy.example:3128", "NO_PROXY": "a:b"}, tmp_path)
    assert store.redact("refused pr0xy/pw and pr0xy%2Fpw of user") == "refused ****** and ****** of user"
