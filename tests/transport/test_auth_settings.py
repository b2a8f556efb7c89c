import asyncio

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.api import ListCharts
from batch_deployer.transport.wire.requests import encode

PASSWORD = {"username": "robot", "password": "pass-word-1", "user_domain": "D", "project": "eu-de"}


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("password", {"username": "u"}, "auth method password needs password"),
        ("password", {"username": "u", "password": "p", "user_domain": "d"}, "needs project or project_id"),
        ("password", {"username": "u", "password": "p", "project": "x"}, "needs user_domain or user_domain_id"),
        ("password", PASSWORD | {"auth_url": "http://iam.example.com/v3"}, "auth_url .* is not encrypted"),
        ("agency", PASSWORD, "needs agency"),
        ("agency", PASSWORD | {"agency": "a"}, "needs agency_domain or agency_domain_id"),
        ("token", {"token": ""}, "auth method token needs token"),
        ("token", {"token": "a\nb"}, "the token holds blanks or control characters"),
        ("aksk", {"access_key": "a", "secret_key": "s"}, "needs project_id"),
        ("aksk", {"access_key": "a"}, "auth method aksk needs secret_key"),
    ],
)
def test_auth_settings_that_cannot_work_are_bad_input(log_in, method, options, message):
    async def scenario():
        async with log_in(method, options, endpoint="http://127.0.0.1:1"):
            pass

    with pytest.raises(InputError, match=f"cloud 'c': .*{message}"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("token", {"token": "t"}, "give endpoint"),
        ("password", PASSWORD, "give auth_url"),
    ],
)
def test_addresses_are_asked_for_when_nothing_tells_them(log_in, method, options, message):
    async def scenario():
        async with log_in(method, options):
            pass

    with pytest.raises(InputError, match=message):
        asyncio.run(scenario())


def test_a_password_is_not_sent_when_the_ca_file_is_bad(log_in, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")

    for ca_file, why in ((str(tmp_path / "ca.pem"), "cannot be used"), (str(tmp_path / "none.pem"), "No such file")):

        async def scenario(path=ca_file):
            options = PASSWORD | {"auth_url": "https://iam.nowhere.invalid/v3"}
            async with log_in("password", options, ca_file=path):
                pass

        with pytest.raises(InputError, match=why):
            asyncio.run(scenario())


@pytest.mark.parametrize(
    ("endpoint", "form", "owner"),
    [
        ("https://cce.eu-de.otc.t-systems.com", "", "Credential=AK/"),
        ("https://cce.eu-de.otc.t-systems.com", "access", "Access=AK,"),
        ("https://cce.eu-west-101.myhuaweicloud.eu", "", "Access=AK,"),
        ("https://otc.t-systems.com.example.com", "", "Access=AK,"),
    ],
)
def test_the_form_of_a_signature_follows_the_host_unless_it_is_named(log_in, endpoint, form, owner):
    options = {"access_key": "AK", "secret_key": "SK", "project_id": "p"} | ({"form": form} if form else {})

    async def scenario():
        async with log_in("aksk", options, endpoint=endpoint) as api:
            return api._credential.headers(encode(ListCharts()), "host")["Authorization"]

    assert asyncio.run(scenario()).startswith(f"SDK-HMAC-SHA256 {owner}")
