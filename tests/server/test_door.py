"""Who a real server answers, over plain HTTP and over websockets, whatever a browser was made to send."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from optlab.errors import OptLabError
from pages.components.server import door
from pages.components.server.policy import Policy, is_loopback
from tests.browser import serving
from tests.server.apart import finished

TOKEN = "a-token-of-these-tests"
FIRST_SCREEN = "first-screen"
"""In every document that shows figures before Streamlit has started."""
STREAM = "/_stcore/stream"
FOREIGN = [
    "evil.example", "evil.example:{port}", "localhost.evil.example:{port}", "127.0.0.1.evil.example", "127.0.0.2",
    "user@localhost:{port}", "localhost:{port}@evil.example", "localhost/evil.example", "", "localhost:{port}x", "[",
]  # fmt: skip
Answer = tuple[int, dict[str, str], str]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving.server(tmp_path_factory.mktemp("home"), OPTLAB_NO_WORKERS="1", OPTLAB_AUTH="") as (address, _):
        yield address


@pytest.fixture(scope="module")
def open_to_others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    listening = ("--server.address", "0.0.0.0")
    with serving.server(home, *listening, OPTLAB_NO_WORKERS="1", OPTLAB_AUTH="token", OPTLAB_TOKEN=TOKEN) as served:
        yield served[0]


def port(address: str) -> int:
    return int(urlsplit(address).port or 0)


def ask(address: str, path: str = "/", method: str = "GET", body: str | None = None, **headers: str) -> Answer:
    """What the server answers; headers by their names with `_` for `-`, Host as given."""
    connection = http.client.HTTPConnection("127.0.0.1", port(address), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in named)
    if body is not None:
        named |= {"Content-Length": str(len(body)), "Content-Type": "application/x-www-form-urlencoded"}
    for name, value in named.items():
        connection.putheader(name, value)
    connection.endheaders((body or "").encode())
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode("utf-8")
    connection.close()
    return found


def websocket(address: str, host: str = "", origin: str | None = None, cookie: str = "") -> ClientConnection:
    """Raises InvalidStatus where the server does not answer 101."""
    named = host.format(port=port(address)) or f"localhost:{port(address)}"
    return connect(
        f"ws://127.0.0.1:{port(address)}{STREAM}", subprotocols=["streamlit"],  # type: ignore[list-item]
        additional_headers={**({"Cookie": cookie} if cookie else {}), **({"Origin": origin} if origin else {})},
        open_timeout=10, create_connection=named_host(named),
    )  # fmt: skip


def named_host(host: str) -> Any:
    """A connection that calls the server `host`."""

    class Named(ClientConnection):
        def handshake(self, additional_headers: Any = None, *rest: Any, **more: Any) -> None:
            request = self.protocol.connect()
            del request.headers["Host"]
            request.headers["Host"] = host
            self.protocol.connect = lambda: request  # type: ignore[method-assign]
            super().handshake(additional_headers, *rest, **more)

    return Named


def refused(address: str, **asked: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        websocket(address, **asked)
    return caught.value.response.status_code


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "LocalHost.", "localhost"])
def test_the_names_of_this_machine_are_answered(local: str, host: str) -> None:
    named = host.format(port=port(local))
    assert ask(local, Host=named)[0] == 200
    websocket(local, named, f"http://{named}").close()


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_somebody_made_lead_here_is_not(local: str, host: str) -> None:
    named = host.format(port=port(local))
    for path in ("/", "/explore", "/_stcore/health", "/take-home/1/x.zip"):
        assert ask(local, path, Host=named)[0] in (400, 403)
    if named:
        assert refused(local, host=named, origin=f"http://{named}") in (400, 403)


def test_a_page_of_another_site_opens_no_websocket_and_sends_nothing(local: str) -> None:
    for origin in ("http://evil.example", "null", f"http://localhost:{port(local) + 1}", "http://localhost"):
        assert refused(local, origin=origin) == 403
        assert ask(local, "/_stcore/upload_file/x/y", "PUT", "x", Origin=origin)[0] == 403
    websocket(local).close()  # no browser: it could send any origin


def test_every_answer_says_what_a_browser_must_not_do(local: str) -> None:
    for path in ("/", "/explore", "/_stcore/health", "/_stcore/host-config", "/nothing/here", "/take-home/1/x.zip"):
        headers = ask(local, path)[1]
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert "http:" not in headers["content-security-policy"]
    assert ask(local, Host="evil.example")[1]["x-frame-options"] == "SAMEORIGIN"


def test_binding_to_another_address_without_a_sign_in_is_refused_with_the_way(tmp_path: Path) -> None:
    environment = {**os.environ, "OPTLAB_HOME": str(tmp_path), "OPTLAB_AUTH": ""}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(serving.free_port())]
    ended = subprocess.run(
        [*command, "--server.address", "0.0.0.0"], cwd=serving.ROOT, env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "set OPTLAB_AUTH=token" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_is_answered_before_the_token_is_known(open_to_others: str) -> None:
    for path in ("/", "/explore", "/_stcore/host-config", "/take-home/1/x.zip", "/static/x.js"):
        status, _, body = ask(open_to_others, path)
        assert status == 401
        assert "Sign in" in body and TOKEN not in body and FIRST_SCREEN not in body
    assert refused(open_to_others) == 403
    assert ask(open_to_others, "/?token=another-token-of-these-tests")[0] == 401
    assert ask(open_to_others, "/", "POST", "token=wrong")[0] == 401
    assert ask(open_to_others, "/", "POST", "x" * 100_000)[0] == 401
    assert ask(open_to_others, "/_stcore/health")[0] == 200


@pytest.mark.parametrize("way", ["link", "form"])
def test_the_token_lets_in_and_leaves_the_address(open_to_others: str, way: str) -> None:
    path = "/explore?model=nano"
    if way == "link":
        status, headers, _ = ask(open_to_others, f"{path}&token={TOKEN}")
    else:
        status, headers, _ = ask(open_to_others, path, "POST", f"token={TOKEN}")
    assert (status, headers["location"]) == (303, path)
    kept = headers["set-cookie"]
    assert "HttpOnly" in kept and "SameSite=lax" in kept and TOKEN not in kept
    cookie = kept.split(";")[0]
    status, _, body = ask(open_to_others, path, Cookie=cookie)
    assert status == 200 and FIRST_SCREEN in body
    websocket(open_to_others, cookie=cookie).close()
    assert refused(open_to_others, cookie=cookie, origin="http://evil.example") == 403
    assert ask(open_to_others, path, Cookie=cookie[:-1] + "x")[0] == 401


@pytest.mark.parametrize("other", ['seen={"page": 1}', "name=two words", "a[0]=1", "flag", 'open="', "caf\xe9=1"])
def test_cookies_of_other_servers_on_this_host_lock_nobody_out(open_to_others: str, other: str) -> None:
    headers = ask(open_to_others, f"/?token={TOKEN}")[1]
    cookie = headers["set-cookie"].split(";")[0]
    for both in (f"{other}; {cookie}", f"{cookie}; {other}"):
        assert ask(open_to_others, "/", Cookie=both)[0] == 200


def test_signing_in_leads_to_no_other_host(open_to_others: str) -> None:
    for path in ("//evil.example/", "/\\evil.example", "///evil.example"):
        status, headers, _ = ask(open_to_others, f"{path}?token={TOKEN}")
        assert status in (303, 400)
        assert not headers.get("location", "/x").startswith(("//", "/\\"))


def test_the_pages_alone_without_the_door_show_nothing(tmp_path: Path) -> None:
    with serving.server(tmp_path, script="dashboard.py", OPTLAB_NO_WORKERS="1") as (address, _):
        told = BackMsg()
        told.rerun_script.query_string = ""
        shown = ""
        with websocket(address) as opened:
            opened.send(told.SerializeToString())
            while True:
                message = ForwardMsg.FromString(opened.recv(timeout=20))  # type: ignore[arg-type]
                shown += str(message)
                if message.WhichOneof("type") == "script_finished":
                    break
    assert "streamlit run app.py" in shown
    assert "Explore" not in shown


def test_a_server_for_this_machine_answers_no_other_whatever_it_is_called() -> None:
    """As where another program than `streamlit run` binds it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def status(server: tuple[str, int | None] | None) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http", "server": server,
            "headers": [(b"host", b"localhost")],
        }  # fmt: skip
        finished(door.Door(app, Policy.of("127.0.0.1", {}))(scope, None, send))  # type: ignore[arg-type]
        return int(sent[0]["status"])

    assert [status(one) for one in (("127.0.0.1", 8501), ("::1", 8501), ("/a/socket", None), None)] == [200] * 4
    assert [status(one) for one in (("10.0.0.5", 8501), ("192.168.1.2", 80), ("::", 80))] == [403] * 3


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "192.168.1.5", "lab.example", "unix:///x"])
def test_an_address_that_others_reach_needs_a_sign_in(address: str | None, tmp_path: Path) -> None:
    assert not is_loopback(address)
    with pytest.raises(OptLabError, match="OPTLAB_AUTH=token"):
        Policy.of(address, {})
    assert Policy.of(address, {"OPTLAB_AUTH": "token", "OPTLAB_TOKEN": TOKEN}).token == TOKEN
    with pytest.raises(OptLabError, match="fewer than 16"):
        Policy.of(address, {"OPTLAB_AUTH": "token", "OPTLAB_TOKEN": "short"})
    with pytest.raises(OptLabError, match="it can be token"):
        Policy.of(address, {"OPTLAB_AUTH": "basic"})


def test_a_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    first, second = (Policy.of("0.0.0.0", {"OPTLAB_AUTH": "token"}) for _ in range(2))
    assert first.token == second.token and len(first.token or "") > 40
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    environment: dict[str, str] = {}
    first.confine(environment)
    assert environment == {"OPTLAB_ROOTS": ""}
    Policy.of("127.0.0.1", {}).confine(unconfined := {})
    assert unconfined == {}


def test_a_name_behind_a_proxy_is_answered_once_it_was_named() -> None:
    assert "lab.example" in Policy.of("127.0.0.1", {"OPTLAB_HOSTS": "Lab.example, other"}).hosts


@given(st.text(max_size=40))
def test_no_host_header_is_taken_for_this_machine_unless_it_is_its_name(host: str) -> None:
    if door._name(host) in Policy.of("localhost", {}).hosts:
        plain = host.lower().rstrip(".")
        assert plain.partition(":")[0].rstrip(".") in ("localhost", "127.0.0.1") or plain.startswith("[::1]")
