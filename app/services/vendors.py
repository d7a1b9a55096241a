"""Speech services of vendors, made from settings.

Each import stands where it is used: a server without audio installs none of these.
"""

from urllib.parse import urlsplit, urlunsplit

from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from app.errors import MissingExtraError, SettingsError
from app.settings import Settings

# Cartesia's "Jacqueline", the voice of Pipecat's examples.
DEFAULT_CARTESIA_VOICE = "9626c31c-bec5-4cca-baa8-f8ba9e84c8bc"

# And "Blake", for who speaks second.
CARTESIA_VOICES = (DEFAULT_CARTESIA_VOICE, "a167e0f3-df7e-4d52-a9c3-f949145efdab")

_CARTESIA_HTTP = "https://api.cartesia.ai"


def deepgram_stt(settings: Settings) -> STTService:
    """Make Deepgram's recogniser.

    Raises:
        MissingExtraError: If its package is not installed.
        SettingsError: If there is no key.
    """
    try:
        from pipecat.services.deepgram.stt import DeepgramSTTService
    except ImportError:
        raise MissingExtraError("Deepgram's package", "deepgram") from None
    if settings.deepgram_api_key is None:
        raise SettingsError("DEEPGRAM_API_KEY is not set")
    options = DeepgramSTTService.Settings()
    if settings.deepgram_model:
        options.model = settings.deepgram_model
    return DeepgramSTTService(
        api_key=settings.deepgram_api_key.get_secret_value(),
        base_url=settings.deepgram_base_url or "",
        settings=options,
    )


def cartesia_tts(settings: Settings, voice: str) -> TTSService:
    """Make Cartesia's voice.

    Args:
        settings: The settings.
        voice: A voice's id.

    Raises:
        MissingExtraError: If its package is not installed.
        SettingsError: If there is no key.
    """
    try:
        from pipecat.services.cartesia.tts import CartesiaTTSService
    except ImportError:
        raise MissingExtraError("Cartesia's package", "cartesia") from None
    if settings.cartesia_api_key is None:
        raise SettingsError("CARTESIA_API_KEY is not set")
    options = CartesiaTTSService.Settings(voice=voice)
    if settings.cartesia_model:
        options.model = settings.cartesia_model
    return CartesiaTTSService(
        api_key=settings.cartesia_api_key.get_secret_value(),
        url=cartesia_socket_url(settings.cartesia_base_url),
        settings=options,
    )


def cartesia_socket_url(base_url: str | None) -> str:
    """Return the address of the speech socket of a server that speaks Cartesia's protocol.

    Args:
        base_url: An `http://` or `https://` base URL, or None for Cartesia's own.
    """
    parts = urlsplit(base_url or _CARTESIA_HTTP)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/tts/websocket", "", ""))
