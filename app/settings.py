"""The settings of every program: one frozen class, read from the environment and `.env`.

Every setting is an environment variable: `TRUNKLINE_` and the field's name in capitals. The
vendors' keys are read under the vendors' own names. A variable that starts with `TRUNKLINE_` and
is not a setting is an error, because it is a misspelt one.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from app.addresses import LOOPBACK_HOSTS, problem_of
from app.errors import SettingsError
from app.server_settings import ServerSettings, server_contradictions

PREFIX = "TRUNKLINE_"
ENV_FILE = ".env"

# The options of commands that set a field instead of its variable.
OPTIONS = {
    "bus_url": "--bus",
    "host": "--host",
    "max_sessions": "--max-sessions",
    "port": "--port",
    "processes": "--processes",
    "token": "--token",
}

# How much a misspelt variable resembles the one that is meant; two letters of four may have changed
# places.
SIMILAR = 0.75

# What a browser sends as the origin of a page. Source: RFC 6454 section 6.2.
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s@,]+")

CommaSeparated = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


# What the URL of a broker may begin with.
REDIS_SCHEMES = ("redis", "rediss")
POSTGRES_SCHEMES = ("postgresql", "postgres")

# As in Pipecat's own distributed examples.
DEFAULT_CHANNEL = "pipecat_acme"


def _vendor(name: str, default: str | None = None) -> Any:
    """Declare a setting that is read under a vendor's own variable."""
    return Field(default=default, validation_alias=AliasChoices(name, name.lower()))


class Settings(ServerSettings):
    """What can be set, beside what `ServerSettings` adds.

    Attributes:
        host: Where the session server listens. Every address of the machine when callers have to
            say who they are, else loopback.
        port: Its port.
        tokens: Bearer tokens that callers may present; several are valid at a time.
        allowed_origins: Origins of web pages that may connect, for example
            `https://voice.example`. Without tokens they come on top of this machine's own; with
            tokens and none of these, the origin does not matter.
        token: The token that the bot, the call, the console and calls of the page present to a
            server.
        default_assistant: The assistant behind `/ws`.
        assistant_modules: Python modules with further recipes.
        stt: Who recognises speech; `auto` is the vendor whose key is set, else embedded.
        llm: Who is the language model.
        tts: Who speaks.
        openai_api_key: OpenAI's key, or one of a server that speaks its protocol.
        openai_base_url: Such a server, for example `http://localhost:11434/v1` for Ollama.
        openai_model: The model to ask for; Pipecat's default by default, as with the other two.
        deepgram_api_key: Deepgram's key.
        deepgram_base_url: Another server that speaks Deepgram's protocol.
        deepgram_model: The model to ask for.
        cartesia_api_key: Cartesia's key.
        cartesia_base_url: Another server that speaks Cartesia's HTTP and WebSocket protocols.
        cartesia_model: The model to ask for.
        voice: The voice's id with Cartesia, or its name with the embedded voices.
        other_voices: The same for the second speaker, the third, and so on, of assistants that
            speak with several voices.
        daily_api_key: Daily's key, for the Daily transport.
        bus_url: The broker of conversations that are spread over processes: `redis://`, `rediss://`
            or `postgresql://`, with user and password in it.
        database_url: A Postgres that is the broker where `bus_url` is not set; other databases are
            let be.
        redis_channel: What the names of everything on Redis begin with.
        pgmq_channel: The same on Postgres.
        max_message_bytes: The largest message that a line takes.
        max_waiting_bytes: How much may wait for a caller that reads slowly.
        window_bytes: How much a caller may send ahead of what the assistant has taken.
        heartbeat_s: How long either end of a line is silent at most; after twice that, the other
            end takes the connection for lost.
        resume_window_s: How long a session waits for a caller whose connection was lost; 0 for not
            at all.
        max_sessions: How many sessions a process holds at a time; more are refused.
        llm_timeout_s: How long the language model may take to begin an answer, and how long it may
            pause in it, before the caller hears an apology.
        start_timeout_s: How long an assistant may take to be built and to start.
        drain_timeout_s: How long sessions may take to end when the server stops.
        stall_timeout_s: How long the event loop may stand still before the server says that it is
            not ready, until it has been punctual for a while.
        log_level: The least important messages that are logged.
        log_format: What a line of the log is: words for people, or a JSON object.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    host: str | None = None
    port: int = Field(default=8765, ge=0, le=65535)
    tokens: Secrets = ()
    allowed_origins: CommaSeparated = ()
    token: SecretStr | None = None
    default_assistant: str = "acme"
    assistant_modules: CommaSeparated = ()

    stt: Literal["auto", "deepgram", "embedded"] = "auto"
    llm: Literal["auto", "openai", "embedded"] = "auto"
    tts: Literal["auto", "cartesia", "embedded"] = "auto"

    openai_api_key: SecretStr | None = _vendor("OPENAI_API_KEY")
    openai_base_url: str | None = _vendor("OPENAI_BASE_URL")
    openai_model: str | None = None
    deepgram_api_key: SecretStr | None = _vendor("DEEPGRAM_API_KEY")
    deepgram_base_url: str | None = _vendor("DEEPGRAM_BASE_URL")
    deepgram_model: str | None = None
    cartesia_api_key: SecretStr | None = _vendor("CARTESIA_API_KEY")
    cartesia_base_url: str | None = _vendor("CARTESIA_BASE_URL")
    cartesia_model: str | None = None
    daily_api_key: SecretStr | None = _vendor("DAILY_API_KEY")
    bus_url: SecretStr | None = None
    database_url: SecretStr | None = _vendor("DATABASE_URL")
    redis_channel: str = _vendor("REDIS_CHANNEL", DEFAULT_CHANNEL)
    pgmq_channel: str = _vendor("PGMQ_CHANNEL", DEFAULT_CHANNEL)
    voice: str | None = None
    other_voices: CommaSeparated = ()

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=64 * 1024, le=2**31)
    max_waiting_bytes: int = Field(default=1024 * 1024, ge=64 * 1024)
    window_bytes: int = Field(default=256 * 1024, ge=16 * 1024, le=2**31)
    # The bounds are those of the wire.
    heartbeat_s: float = Field(default=5.0, ge=0.1, le=600)
    resume_window_s: float = Field(default=30.0, ge=0, le=86400)
    max_sessions: int = Field(default=1000, ge=1)
    llm_timeout_s: float = Field(default=15.0, gt=0)
    start_timeout_s: float = Field(default=20.0, gt=0)
    drain_timeout_s: float = Field(default=8.0, gt=0)
    stall_timeout_s: float = Field(default=2.0, gt=0, le=600)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["human", "json"] = "human"

    @field_validator(
        "tokens", "assistant_modules", "allowed_origins", "other_voices", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("token", "tokens")
    @classmethod
    def _fits_a_header(cls, value: Any) -> Any:
        secrets = value if isinstance(value, tuple) else (value,)
        for secret in secrets:
            token = secret.get_secret_value() if secret is not None else ""
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise ValueError("a token has only letters, digits and signs of ASCII, no spaces")
        return value

    @field_validator("openai_base_url", "cartesia_base_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and (problem := problem_of(value, ("https", "http"))):
            raise ValueError(f"a base URL {problem}")
        return value

    @field_validator("bus_url")
    @classmethod
    def _is_broker(cls, value: SecretStr | None) -> SecretStr | None:
        url = "" if value is None else value.get_secret_value()
        # Postgres is named in many ways, without a host too; asyncpg knows them.
        known = url.partition("://")[0] in POSTGRES_SCHEMES
        if url and not known and (problem := problem_of(url, REDIS_SCHEMES + POSTGRES_SCHEMES)):
            raise ValueError(f"a broker's URL {problem}")
        return value

    @field_validator("deepgram_base_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        # Deepgram's package takes a host without a scheme, too.
        full = f"https://{value}" if value and "://" not in value else value
        if full is not None and (problem := problem_of(full, ("https", "http", "wss", "ws"))):
            raise ValueError(f"a base URL {problem}")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("tokens")
    @classmethod
    def _long_enough(cls, tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(token.get_secret_value()) < 16 for token in tokens):
            raise ValueError("a token has at least 16 characters")
        return tokens

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("an origin is a scheme, a host and perhaps a port: https://host:8443")
        return tuple(origin.lower() for origin in origins)

    @property
    def broker_url(self) -> str | None:
        """The broker's URL, with its secrets; None if none is set."""
        if self.bus_url is not None:
            return self.bus_url.get_secret_value()
        database = self.database_url.get_secret_value() if self.database_url is not None else ""
        # A database of another kind, or of another program's dialect, is not meant for us.
        return database if database.partition("://")[0] in POSTGRES_SCHEMES else None

    @property
    def guarded(self) -> bool:
        """Whether callers have to say who they are."""
        return bool(self.tokens) or self.principals_file is not None or self.takes_jwts

    @property
    def listen_host(self) -> str:
        """Where the server listens."""
        return self.host or ("0.0.0.0" if self.guarded else "127.0.0.1")

    @property
    def stt_vendor(self) -> Literal["deepgram", "embedded"]:
        """Who recognises speech."""
        if self.stt == "auto":
            return "deepgram" if self.deepgram_api_key else "embedded"
        return self.stt

    @property
    def llm_vendor(self) -> Literal["openai", "embedded"]:
        """Who is the language model."""
        if self.llm == "auto":
            return "openai" if self.openai_api_key or self.openai_base_url else "embedded"
        return self.llm

    @property
    def tts_vendor(self) -> Literal["cartesia", "embedded"]:
        """Who speaks."""
        if self.tts == "auto":
            return "cartesia" if self.cartesia_api_key else "embedded"
        return self.tts

    @property
    def embedded_roles(self) -> tuple[str, ...]:
        """The roles that run inside this process."""
        vendors = {"stt": self.stt_vendor, "llm": self.llm_vendor, "tts": self.tts_vendor}
        return tuple(role for role, vendor in vendors.items() if vendor == "embedded")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment and `.env`.

    Args:
        **overrides: Values that win over both, by field; None leaves a setting as it is.

    Raises:
        SettingsError: If a variable or an option is unknown or malformed; names every one of them.
    """
    problems = _unknown_variables()
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [_describe(detail, given) for detail in error.errors(include_input=False)]
    else:
        problems += _contradictions(settings, given)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def variable_of(field: str) -> str:
    """Return the environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{PREFIX}{field.upper()}"


def _unknown_variables() -> list[str]:
    known = {variable_of(field) for field in Settings.model_fields}
    given = set(os.environ)
    if Path(ENV_FILE).is_file():
        given |= set(dotenv_values(ENV_FILE))
    problems = []
    for name in sorted(given):
        if name.upper().startswith(PREFIX) and name.upper() not in known | PROGRAM_VARIABLES:
            # The prefix is right, and would make anything resemble a short name.
            ends = {one.removeprefix(PREFIX): one for one in known}
            end = name.upper().removeprefix(PREFIX)
            close = difflib.get_close_matches(end, ends, 1, cutoff=SIMILAR)
            hint = f"; did you mean {ends[close[0]]}?" if close else ""
            problems.append(f"{name} is not a setting{hint}")
    return problems


# Variables of this project that are not settings of its programs.
PROGRAM_VARIABLES = frozenset({f"{PREFIX}PYTHON"})


def _name_of(field: str, given: Mapping[str, Any]) -> str:
    """Return what a person calls a field: the option that was given, or else the variable."""
    option = OPTIONS.get(field)
    return option if option is not None and field in given else variable_of(field)


def _describe(detail: Any, given: Mapping[str, Any]) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    # A field that is read under another name is known by that.
    fields = {variable_of(name): name for name in Settings.model_fields}
    field = fields.get(field, field)
    told = str(detail["msg"]).removeprefix("Value error, ")
    return f"{_name_of(field, given) if field in Settings.model_fields else field}: {told}"


def _contradictions(settings: Settings, given: Mapping[str, Any]) -> list[str]:
    problems = server_contradictions(settings)
    if not settings.guarded and settings.listen_host not in LOOPBACK_HOSTS:
        host = f"{_name_of('host', given)}={settings.listen_host}"
        problems.append(
            f"{host} without tokens would let anybody in; set {PREFIX}TOKENS, a file of principals "
            "or JWTs, or listen on 127.0.0.1"
        )
    if not settings.guarded and settings.pool_host not in LOOPBACK_HOSTS:
        problems.append(
            f"{PREFIX}POOL_HOST={settings.pool_host} without tokens would show the metrics to "
            f"anybody; set {PREFIX}TOKENS, a file of principals or JWTs, or listen on 127.0.0.1"
        )
    needed = (
        ("stt", settings.stt_vendor == "deepgram", settings.deepgram_api_key, "DEEPGRAM_API_KEY"),
        ("tts", settings.tts_vendor == "cartesia", settings.cartesia_api_key, "CARTESIA_API_KEY"),
        (
            "llm",
            settings.llm_vendor == "openai",
            settings.openai_api_key or settings.openai_base_url,
            "OPENAI_API_KEY",
        ),
    )
    for role, wanted, key, variable in needed:
        if wanted and not key:
            problems.append(f"{variable_of(role)} asks for a vendor, but {variable} is not set")
    return problems
