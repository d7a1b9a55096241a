"""JWTs: which ones let somebody in, and what is fetched for them."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from agents import Assistants
from app.errors import SettingsError
from app.server.identity.json_web_tokens import JwtVerifier, looks_like_jwt
from app.server.identity.wrong import WrongCredentialError
from app.settings import Settings
from tests.app.server.identity.asking import asking
from tests.app.server.identity.issuer import (
    AUDIENCE,
    ISSUER,
    OTHER,
    PEM,
    PRIVATE,
    SECRET,
    Issuer,
    claims,
    signed,
)


def settings(**options: Any) -> dict[str, Any]:
    return {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, **options}


def verifier(**options: Any) -> JwtVerifier:
    made = JwtVerifier.of(Settings(**settings(**options)))
    assert made is not None
    return made


async def refused(verifier: JwtVerifier, token: str) -> str:
    with pytest.raises(WrongCredentialError) as wrong:
        await verifier.find(token)
    assert token not in repr(wrong.value)
    return wrong.value.refusal.code


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(PEM)
    return path


async def test_a_jwt_opens_what_its_claims_say(assistants: Assistants, issuer: Issuer) -> None:
    async with asking(assistants, **settings(jwt_jwks_url=issuer.url)) as server:
        assert await server.enters(signed()) == "jwt:ada"
        assert await server.listed(signed()) == {"parrot"}
        assert await server.code(signed(), "acme") == "403 not_allowed"
        late = signed(exp=int(time.time()) - 60)
        assert await server.code(late) == "403 expired_token"
        assert await server.code(signed(OTHER)) == "403 wrong_token"
        assert await server.code("no-jwt-at-all") == "403 wrong_token"
        assert await server.code(None) == "401 no_token"
    assert issuer.asked == 1


async def test_keys_that_cannot_be_had_are_no_mistake_of_the_caller(
    assistants: Assistants, issuer: Issuer
) -> None:
    issuer.status = 500
    options = settings(jwt_jwks_url=issuer.url, wrong_tokens_per_minute=1)
    async with asking(assistants, **options) as server:
        for _ in range(3):
            assert await server.code(signed()) == "503 keys_unavailable"
    assert issuer.asked == 1, "and it is not asked for every caller"


@pytest.mark.parametrize(
    ("said", "name", "assistants", "max_sessions", "admin"),
    [
        ({}, "jwt:ada", {"parrot"}, None, False),
        ({"trunkline_assistants": "acme parrot"}, "jwt:ada", {"acme", "parrot"}, None, False),
        ({"trunkline_assistants": ["*"]}, "jwt:ada", None, None, False),
        ({"trunkline_assistants": None}, "jwt:ada", set(), None, False),
        ({"trunkline_max_sessions": 7}, "jwt:ada", {"parrot"}, 7, False),
        ({"trunkline_admin": True, "sub": "Grace H."}, "jwt:Grace H.", {"parrot"}, None, True),
        ({"trunkline_metrics": True}, "jwt:ada", {"parrot"}, None, False),
    ],
)
async def test_claims_are_rights(
    key_file: Path,
    said: dict[str, Any],
    name: str,
    assistants: set[str] | None,
    max_sessions: int | None,
    admin: bool,
) -> None:
    found = await verifier(jwt_key_file=key_file).find(signed(**said))
    rights = (found.name, found.assistants, found.max_sessions, found.admin)
    assert rights == (name, assistants, max_sessions, admin)
    assert found.metrics is said.get("trunkline_metrics", False)
    assert found.expires_at is not None


async def test_claims_may_have_another_prefix(key_file: Path) -> None:
    mine = verifier(jwt_key_file=key_file, jwt_claims_prefix="https://voice.test/")
    rights: dict[str, Any] = {"https://voice.test/assistants": ["acme"]}
    found = await mine.find(signed(**rights))
    assert found.assistants == frozenset({"acme"})


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"sub": None}, "wrong_token"),
        ({"exp": None}, "wrong_token"),
        ({"iss": None}, "wrong_token"),
        ({"aud": None}, "wrong_token"),
        ({"iss": "https://other.test/"}, "wrong_token"),
        ({"aud": "another"}, "wrong_token"),
        ({"nbf": 2**40}, "wrong_token"),
        ({"exp": 1}, "expired_token"),
        ({"exp": "soon"}, "wrong_token"),
        ({"exp": 1e400}, "wrong_token"),
        ({"sub": ""}, "bad_claims"),
        ({"sub": "a\nb"}, "bad_claims"),
        ({"sub": "x" * 129}, "bad_claims"),
        ({"trunkline_assistants": {"acme": True}}, "bad_claims"),
        ({"trunkline_assistants": [1]}, "bad_claims"),
        ({"trunkline_max_sessions": 0}, "bad_claims"),
        ({"trunkline_max_sessions": True}, "bad_claims"),
        ({"trunkline_max_sessions": "7"}, "bad_claims"),
        ({"trunkline_admin": "true"}, "bad_claims"),
        ({"trunkline_admin": 1}, "bad_claims"),
        ({"trunkline_metrics": "true"}, "bad_claims"),
    ],
)
async def test_a_jwt_that_says_something_else_is_refused(
    key_file: Path, said: dict[str, Any], code: str
) -> None:
    assert await refused(verifier(jwt_key_file=key_file), signed(**said)) == code


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims()).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def forgeries() -> Iterator[str]:
    yield unsigned({"alg": "none"})
    yield unsigned({"alg": "None"})
    yield unsigned({"typ": "JWT"})
    yield unsigned({"alg": "RS256"})
    yield unsigned({"alg": "RS256", "kid": 7})
    yield unsigned({"alg": "RS256", "kid": "x" * 257})
    yield unsigned({"alg": ["RS256"]})
    # Signed with the public key as if it were a secret.
    header, payload, _ = unsigned({"alg": "HS256", "kid": "one"}).split(".")
    digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    forged = digest.sign(f"{header}.{payload}".encode(), PEM)
    yield f"{header}.{payload}." + base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
    good = signed().split(".")
    yield ".".join((good[0], good[1], signed(OTHER).split(".")[2]))
    yield ".".join((good[0], signed(trunkline_admin=True).split(".")[1], good[2]))
    yield ".."
    yield base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.e30"
    yield "ü.ü.ü"
    yield jwt.encode(claims(), SECRET, "HS256", {"kid": "one"})


@pytest.mark.parametrize("token", list(forgeries()))
async def test_forgeries_are_refused_with_a_key_of_a_file_or_of_a_url(
    token: str, key_file: Path, issuer: Issuer
) -> None:
    assert await refused(verifier(jwt_key_file=key_file), token) == "wrong_token"
    remote = verifier(jwt_jwks_url=issuer.url)
    assert await refused(remote, token) == "wrong_token"
    await remote.close()


async def test_a_shared_secret_checks_hs_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    shared = verifier(jwt_key_file=path)
    for algorithm in ("HS256", "HS384", "HS512"):
        token = signed(SECRET, algorithm)
        assert (await shared.find(token)).name == "jwt:ada"
    assert await refused(shared, signed()) == "wrong_token"
    only = verifier(jwt_key_file=path, jwt_algorithms="HS512")
    assert await refused(only, signed(SECRET, "HS256")) == "wrong_token"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        (PRIVATE, "PS256"),
    ],
)
async def test_public_keys_of_every_kind_check_what_fits_them(
    tmp_path: Path, key: Any, algorithm: str
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert (await verifier(jwt_key_file=path).find(signed(key, algorithm))).name == "jwt:ada"


@pytest.mark.parametrize(
    ("data", "further", "problem"),
    [
        (None, {}, "No such file"),
        (b"short", {}, "at least 32 bytes"),
        (b"-----BEGIN PUBLIC KEY-----\nrubbish", {}, "not a public key"),
        (
            PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            {},
            "a private key",
        ),
        (PEM, {"jwt_algorithms": "HS256"}, "the key fits PS256"),
        (PEM, {"jwt_algorithms": "RS256,ES256"}, "the key fits PS256"),
        (SECRET, {"jwt_algorithms": "RS256"}, "the key fits HS256"),
        (
            ec.generate_private_key(ec.SECP256K1())
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            {},
            "fits none",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_named(
    tmp_path: Path, data: bytes | None, further: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "key"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SettingsError, match=problem) as wrong:
        verifier(jwt_key_file=path, **further)
    assert "rubbish" not in str(wrong.value)


def test_what_looks_like_a_jwt() -> None:
    assert looks_like_jwt(signed())
    assert not looks_like_jwt("tl_0123_abc")
