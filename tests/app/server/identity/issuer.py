"""Whoever issues JWTs, and what it signs."""

import asyncio
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI, Response
from jwt.algorithms import RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.test/", "trunkline"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SECRET = b"a secret of the tests that is long enough for SHA-512: 64 bytes."


def claims(**changes: Any) -> dict[str, Any]:
    said = {
        "sub": "ada",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 600,
        "trunkline_assistants": ["parrot"],
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def signed(
    key: Any = PRIVATE, algorithm: str = "RS256", key_id: str | None = "one", **changes: Any
) -> str:
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(claims(**changes), key, algorithm, headers)


def public(key: rsa.RSAPrivateKey, key_id: str, **changes: Any) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {**described, "kid": key_id, "use": "sig", "alg": "RS256", **changes}


class Issuer:
    """Publishes its keys, or does not."""

    def __init__(self) -> None:
        self.keys: list[Any] = [public(PRIVATE, "one")]
        self.status = 200
        self.body: bytes | None = None
        self.asked = 0
        self.held = asyncio.Event()
        self.held.set()
        self.waiting = asyncio.Event()
        self.url = ""
        self.app = FastAPI()
        self.app.get("/keys")(self.publish)

    async def publish(self) -> Response:
        self.asked += 1
        self.waiting.set()
        await self.held.wait()
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        return Response(body, self.status)
