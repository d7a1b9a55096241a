"""Services for recipes that use none."""

from typing import Any


class NoServices:
    """Refuses to make anything."""

    def llm(self, task: str, *, instruction: str) -> Any:
        raise AssertionError("this recipe has no language model")

    def tts(self, *, voice: str | None = None, speaker: int = 0) -> Any:
        raise AssertionError("this recipe has no voice")

    def stt(self) -> Any:
        raise AssertionError("this recipe has no recogniser")


NO_SERVICES = NoServices()
