from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingsError
from app.settings import Settings, load_settings, variable_of


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start every test without variables of ours and in an empty folder."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)


JWT = {"JWT_ISSUER": "https://issuer.test/", "JWT_AUDIENCE": "trunkline"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"JWT_JWKS_URL": "https://issuer.test/keys"}, "need TRUNKLINE_JWT_ISSUER"),
        ({"JWT_JWKS_URL": "http://issuer.test/keys", **JWT}, "by https:// only"),
        ({"JWT_JWKS_URL": "ftp://issuer.test/keys", **JWT}, "starts with https://"),
        (
            {"JWT_JWKS_URL": "https://issuer.test/keys", "JWT_KEY_FILE": "key.pem", **JWT},
            "set one of",
        ),
        (
            {"JWT_JWKS_URL": "https://issuer.test/", "JWT_ALGORITHMS": "HS256", **JWT},
            "sign nothing in HS",
        ),
        ({"JWT_ALGORITHMS": "none"}, "no algorithm none"),
        ({"JWT_CLAIMS_PREFIX": "ü"}, "a prefix has"),
        ({"ADMIN_TOKENS": "short"}, "at least 16"),
        ({"ADMIN_TOKENS": "a token with spaces in it"}, "at least 16"),
        ({"PUBLIC_URL": "https://voice.test"}, "starts with wss://"),
        ({"MAX_WAITING_CALLERS": "1001"}, "less than or equal to 1000"),
        ({"HOST": "0.0.0.0", "ADMIN_TOKENS": "an-admin-of-the-tests"}, "would let anybody in"),
    ],
)
def test_what_does_not_go_together_is_said(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], problem: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"TRUNKLINE_{name}", value)
    with pytest.raises(SettingsError, match=problem):
        load_settings()


@pytest.mark.parametrize(
    "given",
    [
        {"PRINCIPALS_FILE": "principals.toml"},
        {"JWT_KEY_FILE": "key.pem", **JWT},
        {"JWT_JWKS_URL": "http://127.0.0.1:8080/keys", "JWT_ALGORITHMS": "RS256, ES256", **JWT},
    ],
)
def test_whoever_knows_its_callers_listens_everywhere(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"TRUNKLINE_{name}", value)
    assert load_settings().listen_host == "0.0.0.0"


def test_secrets_of_a_server_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_ADMIN_TOKENS", "one-very-secret-token,two-very-secret-token")
    settings = load_settings()
    assert len(settings.admin_tokens) == 2
    assert "secret" not in repr(settings)
