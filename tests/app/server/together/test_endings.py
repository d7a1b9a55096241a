"""Whichever process is asked tells why sessions of all ended."""

from tests.app.server.together.pair import two_processes
from tests.app.server.together.test_together import called, hung_up


async def test_whichever_process_is_asked_tells_why_sessions_of_all_ended() -> None:
    async with two_processes() as pair:
        await hung_up([await called(pair, to) for to in (0, 1, 1)])
        await pair.emptied()
        # One process began an hour ago, the other just now: only what both know is complete.
        pair.servers[0].state.metrics.endings._began_at -= 3600.0
        for to in (0, 1):
            told = (await pair.ask(to, "/v1/admin/endings")).json()
            counts = [minute["reasons"]["ended"] for minute in told["minutes"]]
            assert (sum(counts), told["silent_processes"]) == (3, 0)
            assert told["covers_s"] < 3600
