"""Callers find the pools that together have every task, or are told what to start."""

from collections.abc import AsyncIterator, Sequence

import pytest
from pipecat.workers.base_worker import BaseWorker

from agents import SessionContext, assistant
from app.caller.cover import cover, missing
from app.errors import AppError
from app.pool.share import share_of
from app.server.building import Builder
from app.services import Roles
from app.settings import Settings
from proxy.bus.claims import Offer
from tests.agents.talking import CURT, Talk, talking
from tests.app.pool.places import ASSISTANTS, Place

ALL = ("a", "b", "c")


@assistant("empty", exports=("nothing",))
def empty(session: SessionContext) -> Sequence[BaseWorker]:
    return []


@assistant("on-the-loop", exports=("a",))
async def on_the_loop(session: SessionContext) -> Sequence[BaseWorker]:
    return [BaseWorker("a"), BaseWorker("b")]


def offer(*tasks: str, pool: str = "", free: int = 1) -> Offer:
    return Offer(pool or "".join(tasks), "x", tasks, ALL, ("a",), free)


class TestCover:
    def test_one_pool_with_everything_is_better_than_three(self) -> None:
        whole = offer(*ALL)
        assert cover(ALL, [offer("a"), offer("b"), offer("c"), whole]) == [whole]

    def test_no_task_is_had_twice(self) -> None:
        chosen = cover(ALL, [offer("a", "b"), offer("b", "c"), offer("c")])
        assert chosen == [offer("a", "b"), offer("c")]
        assert cover(ALL, [offer("a", "b"), offer("b", "c")]) is None

    def test_a_full_pool_is_not_chosen(self) -> None:
        full = offer(*ALL, free=0)
        assert cover(ALL, [full]) is None
        assert missing(ALL, [full]) == []

    def test_of_two_alike_the_one_with_more_room_is_named(self) -> None:
        roomy = offer(*ALL, pool="roomy", free=5)
        assert cover(ALL, [roomy, offer(*ALL)]) == [roomy]

    def test_some_tasks_can_be_wanted_without_the_others(self) -> None:
        assert cover(("b", "c"), [offer(*ALL), offer("b"), offer("c")]) == [offer("b"), offer("c")]
        assert missing(ALL, [offer("a")]) == ["b", "c"]


class TestShare:
    @pytest.fixture
    async def roles(self) -> AsyncIterator[Roles]:
        async with Roles.open(Settings(), ASSISTANTS) as roles:
            yield roles

    async def test_a_task_that_callers_may_not_address_is_for_its_siblings(
        self, roles: Roles
    ) -> None:
        recipe = ASSISTANTS["debate"]
        share = await share_of(recipe, ["critic"], roles, Builder(), timeout_s=20)
        assert share.tasks == ("critic",)
        assert share.exports == ("moderator",)
        assert share.family == {"moderator", "advocate", "critic", "analyst"}

    async def test_a_task_that_callers_may_address_is_still_theirs(self, roles: Roles) -> None:
        recipe = ASSISTANTS["handoff"]
        share = await share_of(recipe, ["support"], roles, Builder(), timeout_s=20)
        assert share.tasks == ("support",)
        assert share.family == {"greeter"}

    async def test_everything_is_the_assistant_as_it_is(self, roles: Roles) -> None:
        recipe = ASSISTANTS["debate"]
        share = await share_of(
            recipe, ["critic", "moderator", "advocate", "analyst"], roles, Builder(), timeout_s=20
        )
        assert share.recipe is recipe
        assert share.family == frozenset()

    async def test_an_unknown_task_is_told_with_those_that_there_are(self, roles: Roles) -> None:
        with pytest.raises(AppError, match="no task 'sales', only greeter, support"):
            await share_of(ASSISTANTS["handoff"], ["sales"], roles, Builder(), timeout_s=20)

    async def test_an_assistant_that_cannot_be_built_is_told_of(self, roles: Roles) -> None:
        with pytest.raises(AppError, match="'raises' could not be built: ValueError at"):
            await share_of(ASSISTANTS["raises"], [], roles, Builder(), timeout_s=20)
        with pytest.raises(AppError, match="exports"):
            await share_of(empty, [], roles, Builder(), timeout_s=20)

    async def test_a_coroutine_function_is_built_on_the_loop(self, roles: Roles) -> None:
        share = await share_of(on_the_loop, ["b"], roles, Builder(), timeout_s=20)
        assert share.tasks == ("b",)
        assert share.recipe.is_async


class TestNobody:
    async def talk(self, there: Place, assistant: str) -> Talk:
        side = there.side(assistant, offer_timeout_s=0.6)
        async with talking(side) as talk:
            pass
        return talk

    async def test_who_calls_where_nobody_serves_is_told_what_to_start(self, there: Place) -> None:
        talk = await self.talk(there, "handoff")
        assert error_of(talk) == (
            "nobody serves 'handoff' on the broker; "
            "start `trunkline agents --assistant handoff --bus the broker`"
        )

    async def test_a_task_that_nobody_has_is_named(self, there: Place) -> None:
        async with there.pool("handoff", "greeter"):
            talk = await self.talk(there, "handoff")
        assert error_of(talk) == (
            "nobody serves support of 'handoff' on the broker; "
            "start `trunkline agents --assistant handoff --tasks support --bus the broker`"
        )

    async def test_who_has_another_prefix_is_never_met(self, there: Place) -> None:
        async with there.pool("handoff", redis_channel="acme_eu"):
            assert "nobody serves 'handoff'" in error_of(await self.talk(there, "handoff"))

    async def test_full_pools_are_told_of_and_take_callers_again(self, there: Place) -> None:
        async with there.pool("parrot", max_sessions=1):
            first = talking(there.side("parrot"), **CURT)
            async with first as talk:
                await talk.ask("one", "one")
                assert "every pool that serves 'parrot' on the broker is full" in error_of(
                    await self.talk(there, "parrot")
                )
            async with talking(there.side("parrot"), **CURT) as talk:
                await talk.ask("two", "two")

    async def test_a_broker_that_is_away_is_told_of(self, there: Place) -> None:
        await there.server.kill()
        talk = await self.talk(there, "parrot")
        assert error_of(talk).startswith("the broker: the broker is away (")
        await there.server.start()


def error_of(talk: Talk) -> str:
    assert talk.result is not None
    assert talk.result.error is not None
    return talk.result.error
