from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import Settings, load_settings, variable_of

LONG = "a-token-of-the-tests"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start every test without variables of ours and in an empty folder."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_anything_set_it_is_local_and_embedded() -> None:
    settings = load_settings()
    assert (settings.listen_host, settings.port) == ("127.0.0.1", 8765)
    assert settings.embedded_roles == ("stt", "llm", "tts")


def test_a_vendors_key_chooses_the_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "DEEPGRAM_API_KEY", "CARTESIA_API_KEY"):
        monkeypatch.setenv(name, "key")
    settings = load_settings()
    assert (settings.llm_vendor, settings.stt_vendor, settings.tts_vendor) == (
        "openai",
        "deepgram",
        "cartesia",
    )
    assert settings.embedded_roles == ()
    monkeypatch.setenv("TRUNKLINE_LLM", "embedded")
    assert load_settings().llm_vendor == "embedded"


def test_a_server_that_speaks_openais_protocol_needs_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    assert load_settings().llm_vendor == "openai"


def test_keys_are_read_from_dotenv_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("OPENAI_API_KEY=from-file\nTRUNKLINE_PORT=1234\nOTHER=x\n")
    monkeypatch.setenv("TRUNKLINE_PORT", "4321")
    settings = load_settings()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "from-file"
    assert settings.port == 4321
    assert load_settings(port=1).port == 1


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_TOKENS", f" {LONG}1 ,{LONG}2,")
    monkeypatch.setenv("TRUNKLINE_ASSISTANT_MODULES", "one,two.three")
    settings = load_settings()
    assert [token.get_secret_value() for token in settings.tokens] == [f"{LONG}1", f"{LONG}2"]
    assert settings.assistant_modules == ("one", "two.three")


def test_with_a_token_it_listens_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_TOKENS", LONG)
    assert load_settings().listen_host == "0.0.0.0"


def test_everything_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_PROT", "1")
    monkeypatch.setenv("TRUNKLINE_PORT", "many")
    monkeypatch.setenv("TRUNKLINE_TOKENS", "short")
    monkeypatch.setenv("TRUNKLINE_STT", "ears")
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    told = str(wrong.value)
    assert "TRUNKLINE_PROT is not a setting; did you mean TRUNKLINE_PORT?" in told
    assert "TRUNKLINE_PORT: " in told
    assert "TRUNKLINE_TOKENS: a token has at least 16 characters" in told
    assert "TRUNKLINE_STT: Input should be 'auto', 'deepgram' or 'embedded'" in told
    assert "many" not in told
    assert "short" not in told


def test_a_misspelt_setting_in_dotenv_is_found_too() -> None:
    Path(".env").write_text("TRUNKLINE_VIOCE=slt\n")
    with pytest.raises(SettingsError, match="did you mean TRUNKLINE_VOICE"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TRUNKLINE_FOO", ""),
        ("TRUNKLINE_HOTS", "; did you mean TRUNKLINE_HOST?"),
        ("TRUNKLINE_OPENAI_API_KEY", "; did you mean OPENAI_API_KEY?"),
    ],
)
def test_only_a_name_that_is_similar_is_suggested(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert str(wrong.value) == f"{name} is not a setting{hint}"


def test_an_option_that_is_wrong_is_named_and_not_the_variable() -> None:
    with pytest.raises(SettingsError) as wrong:
        load_settings(port=99999, max_sessions=0)
    said = [line.partition(": ")[0] for line in str(wrong.value).splitlines()]
    assert said == ["--port", "--max-sessions"]


def test_an_open_door_to_the_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_HOST", "0.0.0.0")
    with pytest.raises(SettingsError, match="would let anybody in"):
        load_settings()


@pytest.mark.parametrize(
    ("role", "vendor", "key"),
    [
        ("STT", "deepgram", "DEEPGRAM_API_KEY"),
        ("LLM", "openai", "OPENAI_API_KEY"),
        ("TTS", "cartesia", "CARTESIA_API_KEY"),
    ],
)
def test_a_vendor_without_its_key_is_an_error(
    monkeypatch: pytest.MonkeyPatch, role: str, vendor: str, key: str
) -> None:
    monkeypatch.setenv(f"TRUNKLINE_{role}", vendor)
    with pytest.raises(SettingsError, match=f"TRUNKLINE_{role} asks for a vendor, but {key}"):
        load_settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("TRUNKLINE_TOKENS", "very-secret-token")
    assert "secret" not in repr(load_settings())


@pytest.mark.parametrize(
    ("variables", "broker"),
    [
        ({}, None),
        ({"TRUNKLINE_BUS_URL": "rediss://me:secret@host:6380/1"}, "rediss://me:secret@host:6380/1"),
        ({"DATABASE_URL": "postgresql:///db?host=/run"}, "postgresql:///db?host=/run"),
        ({"DATABASE_URL": "mysql://host/db"}, None),
        ({"DATABASE_URL": "postgresql+psycopg://host/db"}, None),
        ({"TRUNKLINE_BUS_URL": "redis://h", "DATABASE_URL": "postgresql://h/db"}, "redis://h"),
    ],
)
def test_a_broker_is_named_by_either_of_two_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], broker: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.broker_url == broker
    assert "secret" not in repr(settings)


def test_a_broker_of_another_kind_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_BUS_URL", "amqp://me:secret@host")
    with pytest.raises(SettingsError, match="TRUNKLINE_BUS_URL: a broker's URL starts") as raised:
        load_settings()
    assert "secret" not in str(raised.value)
