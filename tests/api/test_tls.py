"""Over https, as `easel serve --tls-cert` has it: Basic, Bearer, and a cookie that never goes over an open wire."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from easel.api.sessions import LOCKED, PLAIN
from easel.api.users import new_key, with_password
from tests.api.dialects import serving
from tests.jobs.playing import Player

KEY, BOT = new_key("bot")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that signs itself, for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Easel's tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert, own = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    own.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, own


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("tls")
    tls = certificate(folder)
    with serving(folder, Player(pace=0.01), (with_password("ann", "pw"), BOT), tls=tls) as served:
        assert served.url.startswith("https://")
        yield served.url, ssl.create_default_context(cafile=str(tls[0]))


@pytest.fixture
def client(house: tuple[str, ssl.SSLContext]) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=house[0], verify=house[1]) as made:
        yield made


def test_names_and_keys_come_over_https(client: httpx2.Client) -> None:
    assert client.get("/v1/jobs").status_code == 401
    assert client.get("/v1/jobs", auth=("ann", "pw")).status_code == 200
    assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_the_cookie_is_secure(client: httpx2.Client) -> None:
    answer = client.post("/login", data={"name": "ann", "password": "pw"})
    said = answer.headers["set-cookie"]
    assert said.startswith(f"{LOCKED}=") and "; Secure" in said and "; Path=/;" in said and "Domain" not in said
    assert client.get("/v1/jobs").status_code == 200
    token = said.partition(";")[0].partition("=")[2]
    client.cookies.clear()
    assert client.get("/v1/jobs", headers={"Cookie": f"{PLAIN}={token}"}).status_code == 401
    assert client.get("/v1/jobs", headers={"Cookie": f"{LOCKED}={token}"}).status_code == 200


def test_a_page_on_an_open_wire_is_another_site(client: httpx2.Client, house: tuple[str, ssl.SSLContext]) -> None:
    client.post("/login", data={"name": "ann", "password": "pw"})
    opened = house[0].replace("https://", "http://")
    assert client.post("/v1/jobs", json={}, headers={"Origin": opened}).status_code == 403
    assert client.post("/v1/jobs", json={}, headers={"Origin": house[0]}).status_code == 202


def test_an_open_wire_is_not_answered(house: tuple[str, ssl.SSLContext]) -> None:
    with pytest.raises(httpx2.TransportError):
        httpx2.get(house[0].replace("https://", "http://"))
