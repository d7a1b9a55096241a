"""Asking the vendors, before a caller does, whether they would serve us."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from app.addresses import is_loopback, shown_url
from app.errors import AppError, MissingExtraError
from app.services.vendors import DEFAULT_CARTESIA_VOICE
from app.services.voices import list_voices
from app.settings import Settings, variable_of

# One small request. Without a network there is no answer at all.
PROBE_TIMEOUT_S = 10.0

OPENAI_URL = "https://api.openai.com/v1"
DEEPGRAM_URL = "https://api.deepgram.com"

_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True)
class _Question:
    """A request to a vendor.

    Attributes:
        url: What to get.
        authorization: The header that carries the key.
        key: The variable of the key.
        base: The variable of the base URL.
    """

    url: str
    authorization: str
    key: str
    base: str


async def probe_vendors(settings: Settings) -> list[str]:
    """Ask the vendors of the language model and of the recogniser, both at once.

    Args:
        settings: The settings.

    Returns:
        What is wrong, one sentence for each problem; holds no key.
    """
    probes: list[Callable[[Settings], Awaitable[list[str]]]] = []
    if settings.llm_vendor == "openai":
        probes.append(_probe_openai)
    if settings.stt_vendor == "deepgram":
        probes.append(_probe_deepgram)
    found = await asyncio.gather(*(probe(settings) for probe in probes))
    return [problem for problems in found for problem in problems]


async def _probe_openai(settings: Settings) -> list[str]:
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    base = (settings.openai_base_url or OPENAI_URL).rstrip("/")
    question = _Question(f"{base}/models", f"Bearer {key}", "openai_api_key", "openai_base_url")
    answer = await _ask(question)
    if isinstance(answer, str):
        return [answer]
    if answer.status_code != HTTPStatus.OK:
        return [f"{_at(question)} answered {answer.status_code} to a list of models"]
    wanted = settings.openai_model
    if wanted is None or wanted in _ids(answer):
        return []
    return [f"{variable_of('openai_model')}: {_at(question)} lists no model {wanted!r}"]


def _ids(answer: httpx.Response) -> list[str]:
    try:
        return [str(entry["id"]) for entry in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []


async def _probe_deepgram(settings: Settings) -> list[str]:
    assert settings.deepgram_api_key is not None
    scheme, mark, host = (settings.deepgram_base_url or DEEPGRAM_URL).rpartition("://")
    base = f"{'http' if mark and scheme in ('ws', 'http') else 'https'}://{host}".rstrip("/")
    key = settings.deepgram_api_key.get_secret_value()
    question = _Question(
        f"{base}/v1/auth/token", f"Token {key}", "deepgram_api_key", "deepgram_base_url"
    )
    answer = await _ask(question)
    # A server of one's own that speaks the protocol need not know this address; it was reached.
    return [answer] if isinstance(answer, str) else []


async def probe_voice(settings: Settings) -> list[str]:
    """Look for the voices, with the vendor or among the embedded ones.

    Args:
        settings: The settings.

    Returns:
        What is wrong, one sentence for each problem.

    Raises:
        MissingExtraError: If the package of the voices is not installed.
    """
    default = DEFAULT_CARTESIA_VOICE if settings.tts_vendor == "cartesia" else None
    wanted = [("voice", settings.voice or default)]
    wanted += [("other_voices", voice) for voice in settings.other_voices]
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            voices = await list_voices(settings)
    except MissingExtraError:
        raise
    except AppError as error:
        return [str(error)]
    except TimeoutError:
        return [f"{settings.tts_vendor} did not list its voices within {PROBE_TIMEOUT_S:g} s"]
    known = {None, *(voice.id for voice in voices)}
    return [
        f"{variable_of(field)}: {settings.tts_vendor} has no voice {voice!r}; "
        "`trunkline voices` lists them"
        for field, voice in wanted
        if voice not in known
    ]


async def _ask(question: _Question) -> httpx.Response | str:
    """Get an answer, or what is wrong."""
    try:
        async with (
            asyncio.timeout(PROBE_TIMEOUT_S),
            httpx.AsyncClient(trust_env=not is_loopback(question.url), timeout=None) as client,
        ):
            headers = {"Authorization": question.authorization}
            answer = await client.get(question.url, headers=headers)
    except TimeoutError:
        return f"{_at(question)} did not answer within {PROBE_TIMEOUT_S:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as error:
        return f"{_at(question)} cannot be reached ({type(error).__name__})"
    if answer.status_code in _REFUSALS:
        key = variable_of(question.key)
        return f"{key}: {shown_url(question.url)} answered {answer.status_code}, so it is not valid"
    return answer


def _at(question: _Question) -> str:
    return f"{variable_of(question.base)}: {shown_url(question.url)}"
