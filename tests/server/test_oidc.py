"""Signing in by name: a real server, a real provider, plain HTTP; and what a viewer can do in a real browser."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from websockets.exceptions import InvalidStatus

from optlab.client.client import Client
from optlab.people import Person, Role
from pages.components.server import oidc_sign_in
from tests.browser import serving
from tests.server import oidc_provider
from tests.server.test_door import websocket

Served = tuple[str, Client]
ANN = Person("ann@example.org", Role.USER)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with oidc_provider.provider() as issuer:
        (home / "secrets.toml").write_text(oidc_provider.secrets_file(issuer))
        with serving.server(
            home, "--secrets.files", str(home / "secrets.toml"), OPTLAB_NO_WORKERS="1", OPTLAB_AUTH="oidc",
            OPTLAB_USERS="ann@example.org", OPTLAB_ADMINS="root@example.org",
        ) as found:  # fmt: skip
            yield found


class Browser:
    """A client that keeps cookies and follows no redirect by itself."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def get(self, url: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
        """(status, where it leads, body)."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=20)
        asked = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, asked, headers={**({"Cookie": self.cookie} if self.cookies else {}), **named})
        answer = connection.getresponse()
        for line in answer.msg.get_all("set-cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        body = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer.status, urljoin(url, answer.headers.get("location") or ""), body

    def sign_in(self, address: str, who: str) -> None:
        _, login, _ = self.get(f"{address}/explore")
        _, authorize, _ = self.get(login)
        status, callback, _ = self.get(f"{authorize}&who={who}")
        assert status == 302
        status, back, _ = self.get(callback)
        assert (status, urlsplit(back).path) == (302, "/")


def shut(address: str, cookie: str = "") -> int:
    with pytest.raises(InvalidStatus) as caught:
        websocket(address, cookie=cookie)
    return caught.value.response.status_code


def test_no_page_and_no_websocket_without_a_sign_in(served: Served) -> None:
    address, _ = served
    for path in ("/", "/explore", "/runs?run=1", "/_stcore/host-config", "/take-home/1/x.zip", "/static/x.js"):
        status, leads, body = Browser().get(address + path)
        assert (status, urlsplit(leads).path) == (303, "/auth/login")
        assert body == ""
    for method in ("POST", "PUT", "DELETE"):
        assert Browser().get(f"{address}/_stcore/upload_file/x/y", method)[0] == 401
    assert Browser().get(f"{address}/static/x.js", Sec_Fetch_Dest="script")[0] == 401
    assert shut(address) == 403
    assert Browser().get(f"{address}/_stcore/health")[0] == 200


@pytest.mark.parametrize("path", [
    "/auth/login/../../explore", "/x/auth/login", "/auth/login/x", "//auth/login", "/take-home/1/oauth2callback",
    "/oauth2callback/explore", "/AUTH/LOGIN",
])  # fmt: skip
def test_an_address_that_looks_like_the_way_in_is_none(served: Served, path: str) -> None:
    address, _ = served
    status, leads, _ = Browser().get(address + path)
    assert (status, urlsplit(leads).path) == (303, "/auth/login") or status in (400, 403)


def test_who_has_signed_in_is_let_in_until_they_sign_out(served: Served) -> None:
    address, _ = served
    browser = Browser()
    browser.sign_in(address, "ann")
    assert browser.get(f"{address}/explore")[0] == 200
    websocket(address, cookie=browser.cookie).close()
    assert oidc_cookie(browser)
    browser.get(f"{address}/auth/logout")
    assert browser.get(f"{address}/explore")[0] == 303
    assert shut(address, browser.cookie) == 403


def oidc_cookie(browser: Browser) -> str:
    return browser.cookies[oidc_sign_in.USER_COOKIE_NAME]


def test_a_cookie_that_was_changed_or_made_up_is_none(served: Served) -> None:
    address, _ = served
    browser = Browser()
    browser.sign_in(address, "ann")
    name, good = oidc_sign_in.USER_COOKIE_NAME, oidc_cookie(browser)
    middle = len(good) // 2
    turned = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
    for bad in ("", "x", good[:-2], good + "x", turned, '"{\\"is_logged_in\\": true}"'):
        assert shut(address, f"{name}={bad}") == 403


def test_a_callback_that_nobody_asked_for_signs_nobody_in(served: Served) -> None:
    address, _ = served
    browser = Browser()
    browser.get(f"{address}/oauth2callback?code=x&state=y")
    assert browser.get(f"{address}/explore")[0] == 303
    assert browser.get(f"{address}/auth/login?provider=x")[0] in (302, 303)
    assert browser.get(f"{address}/explore")[0] == 303


@pytest.mark.parametrize(("claims", "address"), [
    ({"email": "a@b.c"}, "a@b.c"), ({"email": "a@b.c", "email_verified": False}, ""),
    ({"email": "a@b.c", "email_verified": "false"}, ""), ({"email": "a@b.c", "email_verified": "true"}, "a@b.c"),
    ({"sub": "17"}, "17"), ({"email": ["a@b.c"], "sub": 17}, ""), ({}, ""),
])  # fmt: skip
def test_an_address_is_believed_when_the_provider_verified_it(claims: dict[str, object], address: str) -> None:
    assert oidc_sign_in.address(claims) == address


@pytest.mark.parametrize(("written", "told"), [
    ("", "secrets.toml"), ("[auth]\ncookie_secret = 'x'\n", "redirect_uri"),
    (oidc_provider.secrets_file("http://127.0.0.1:1", "short"), "cookie_secret"),
])  # fmt: skip
def test_a_sign_in_that_cannot_work_stops_the_start_with_a_sentence(tmp_path: Path, written: str, told: str) -> None:
    (tmp_path / "secrets.toml").write_text(written)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(serving.free_port())]
    ended = subprocess.run(
        [*command, "--secrets.files", str(tmp_path / "secrets.toml")], cwd=serving.ROOT, capture_output=True, text=True,
        env={**os.environ, "OPTLAB_HOME": str(tmp_path), "OPTLAB_AUTH": "oidc"}, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert told in ended.stderr and "optlab:" in ended.stderr
    assert "Traceback" not in ended.stderr
