"""Dialling for a new session while a server is replaced."""

import asyncio

from loguru import logger

from proxy import ConnectError
from proxy.backoff import delays_s
from proxy.dial import DialledLink, Dialler
from proxy.errors import RefusedError

# A server that is replaced takes callers again within seconds; a caller hears nothing until then.
NEW_SESSION_TIMEOUT_S = 20.0

# Whoever waits on the phone is not kept waiting longer than this by one unlucky try.
RETRY_CAP_S = 2.0


class PatientDialler:
    """Dials until there is a session, or no hope of one; see `Dialler`."""

    def __init__(self, dialler: Dialler, *, timeout_s: float) -> None:
        """Prepare.

        Args:
            dialler: What makes the connections.
            timeout_s: For how long to dial anew; a try that has begun is waited for.
        """
        self._dialler = dialler
        self._timeout_s = timeout_s

    @property
    def where(self) -> str:
        """Where it dials."""
        return self._dialler.where

    async def dial(self, session: str = "") -> DialledLink:
        """Dial; for a new session again and again. See `Dialler.dial`."""
        if session:
            return await self._dialler.dial(session)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        asked_s = 0.0
        # All callers of a server lose it at the same moment, so the first try waits as well.
        for delay_s in delays_s(cap_s=RETRY_CAP_S):
            left_s = deadline - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, min(left_s, max(delay_s, asked_s))))
            try:
                return await self._dialler.dial()
            except ConnectError as error:
                if error.final or asyncio.get_running_loop().time() >= deadline:
                    raise
                logger.info(f"No new session yet: {error}")
                asked_s = 0.0
                if isinstance(error, RefusedError) and error.retry_after_s is not None:
                    asked_s = error.retry_after_s
        raise AssertionError("delays do not end")

    async def close(self) -> None:
        """Leave nothing behind; see `Dialler.close`."""
        await self._dialler.close()
