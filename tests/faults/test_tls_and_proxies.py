"""Certificates and proxies: what the environment says counts, at once, and a bad certificate is a clear no."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from or_magic.errors import CommandError, NotReachableError
from tests.faults.conftest import Open
from tests.faults.proxies import proxy
from tests.faults.server import GOOD, Server, serve

NAMES = [name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())]
WHOLE = "Hello world"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    return made, file


def tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def port(server: Server) -> int:
    return urlsplit(server.origin).port or 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own(
    variable: str, authority: tuple[trustme.CA, Path], session_for: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's own authority is trusted where the environment names it, and from that moment on."""
    made, file = authority
    with serve(GOOD, tls=tls(made, "127.0.0.1")) as server:
        session = session_for(server.base_url, OR_MAGIC_RETRIES="0")
        with pytest.raises(NotReachableError, match="certificate"):
            session.ask("hi", model="a/b")
        monkeypatch.setenv(variable, str(file))

        assert session.ask("hi", model="a/b").text == WHOLE

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("names", "variable"),
    [
        pytest.param(("other.example",), "SSL_CERT_FILE", id="another name"),
        pytest.param(("127.0.0.1",), None, id="an authority nobody knows"),
    ],
)
def test_a_bad_certificate_sends_nothing(
    names: tuple[str, ...],
    variable: str | None,
    authority: tuple[trustme.CA, Path],
    session_for: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a certificate that is not that server's, neither key nor text leaves; the line says why."""
    made, file = authority
    if variable:
        monkeypatch.setenv(variable, str(file))
    with serve(GOOD, tls=tls(made, *names)) as server:
        session = session_for(server.base_url, OR_MAGIC_RETRIES="0")

        with pytest.raises(NotReachableError, match="Nothing was sent"):
            session.ask("hi", model="a/b")

    assert server.requests == []
    assert session.spent().pico_usd == session.spent().unknown == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_is_none(
    content: str | None, tmp_path: Path, session_for: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate file that is missing or empty of certificates is named in a line."""
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    with pytest.raises(CommandError, match="SSL_CERT_FILE"):
        session_for("https://127.0.0.1:9/v1").ask("hi", model="a/b")


@pytest.mark.parametrize("kind", ["http", "socks5h"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_through_a_proxy(
    kind: str, variable: str, authority: tuple[trustme.CA, Path], session_for: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An https address is reached through the proxy, which sees its name and nothing of what is said."""
    made, file = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serve(GOOD, tls=tls(made, "service.test")) as server, proxy(kind, service_test=port(server)) as between:
        monkeypatch.setenv(variable, between.url)

        answer = session_for("https://service.test/v1").ask("hi", model="a/b")

    assert answer.text == WHOLE
    assert between.asked == ["service.test:443"]


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_http_through_a_proxy(kind: str, session_for: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain address, where plain addresses are allowed, goes through the proxy too."""
    with serve(GOOD) as server, proxy(kind, service_test=port(server)) as between:
        monkeypatch.setenv("HTTP_PROXY", between.url)

        answer = session_for("http://service.test/v1", OR_MAGIC_PLAIN_HTTP="on").ask("hi", model="a/b")

    assert answer.text == WHOLE
    assert between.asked == ["service.test:80"]


def test_no_proxy(session_for: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NO_PROXY names is reached without the proxy."""
    with proxy("http") as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        monkeypatch.setenv("NO_PROXY", "service.invalid")

        with pytest.raises(NotReachableError):
            session_for("https://service.invalid/v1", OR_MAGIC_RETRIES="0").ask("hi", model="a/b")

    assert between.asked == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_this_machine_needs_no_proxy(variable: str, session_for: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on this machine is reached directly, whatever proxy is set."""
    with serve(GOOD) as server, proxy("http") as between:
        monkeypatch.setenv(variable, between.url)

        assert session_for(server.base_url).ask("hi", model="a/b").text == WHOLE

    assert between.asked == []


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_a_proxy_that_cannot_reach_it(kind: str, session_for: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that says no, or is not there, means that nothing was sent."""
    with proxy(kind) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        with pytest.raises(NotReachableError):
            session_for("https://service.test/v1", OR_MAGIC_RETRIES="0").ask("hi", model="a/b")
    monkeypatch.setenv("HTTPS_PROXY", f"{kind}://127.0.0.1:9")
    with pytest.raises(NotReachableError):
        session_for("https://service.test/v1", OR_MAGIC_RETRIES="0").ask("hi", model="a/b")


def test_a_proxy_address_that_is_none(session_for: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped proxy is named in a line."""
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy:1")

    with pytest.raises(CommandError, match="HTTPS_PROXY"):
        session_for("https://service.test/v1").ask("hi", model="a/b")
