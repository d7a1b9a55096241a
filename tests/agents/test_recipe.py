from collections.abc import Sequence
from types import ModuleType

import pytest
from pipecat.workers.base_worker import BaseWorker

from agents import (
    Assistants,
    DuplicateAssistantError,
    Recipe,
    RecipeError,
    SessionContext,
    assistant,
    discover,
)
from tests.agents.no_services import NO_SERVICES

SESSION = SessionContext(session_id="1", principal="test", services=NO_SERVICES)


def recipe(name: str = "mine", exports: tuple[str, ...] = ("one",)) -> Recipe:
    return Recipe(name, exports, lambda session: [BaseWorker("one"), BaseWorker("two")])


def test_a_function_becomes_an_assistant() -> None:
    @assistant("mine", exports=["one"], description="Mine.", phrases=["hello"])
    def mine(session: SessionContext) -> Sequence[BaseWorker]:
        return [BaseWorker("one"), BaseWorker(f"of-{session.principal}")]

    assert isinstance(mine, Recipe)
    assert (mine.name, mine.exports, mine.phrases) == ("mine", ("one",), ("hello",))
    assert [task.name for task in mine.tasks(SESSION)] == ["one", "of-test"]


@pytest.mark.parametrize("name", ["", "Mine", "my assistant", "a/b", "-a", "a" * 64, "ä"])
def test_a_name_that_does_not_fit_a_url_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="a name has"):
        recipe(name)


def test_an_assistant_that_exports_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="nobody can reach it"):
        recipe(exports=())


def test_an_exported_task_that_is_not_built_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"exports \['three'\] but did not build"):
        recipe(exports=("one", "three")).tasks(SESSION)


def test_two_tasks_with_one_name_are_refused() -> None:
    twice = Recipe("mine", ("one",), lambda session: [BaseWorker("one"), BaseWorker("one")])
    with pytest.raises(RecipeError, match="two tasks have one name"):
        twice.tasks(SESSION)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gateway", "cannot be called 'gateway'"), ("a@remote", "have a '@'"), ("@", "have a '@'")],
)
def test_a_task_with_a_name_of_the_servers_own_is_refused(name: str, reason: str) -> None:
    reserved = Recipe("mine", ("one",), lambda session: [BaseWorker("one"), BaseWorker(name)])
    with pytest.raises(RecipeError, match=reason):
        reserved.tasks(SESSION)


async def test_a_recipe_may_be_a_coroutine_function() -> None:
    async def build(session: SessionContext) -> Sequence[BaseWorker]:
        return [BaseWorker("one")]

    class Builds:
        async def __call__(self, session: SessionContext) -> Sequence[BaseWorker]:
            return await build(session)

    for each in (build, Builds()):
        waiting = Recipe("mine", ("one",), each)
        assert waiting.is_async
        assert [task.name for task in await waiting.tasks_on_loop(SESSION)] == ["one"]
        with pytest.raises(RecipeError, match="to be awaited"):
            waiting.tasks(SESSION)
    assert not recipe().is_async
    assert len(await recipe().tasks_on_loop(SESSION)) == 2


def test_what_the_caller_said_of_itself_is_not_shown() -> None:
    session = SessionContext("1", "test", NO_SERVICES, metadata={"name": "xylophone"})
    assert "xylophone" not in repr(session)


def test_the_built_in_assistants_are_found() -> None:
    assistants = discover()
    assert "acme" in assistants
    assert len(assistants) == len(list(assistants))
    assert all(recipe.description for recipe in assistants.values())


def test_assistants_of_another_module_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_recipes")
    module.__dict__["mine"] = recipe()
    monkeypatch.setitem(__import__("sys").modules, "my_recipes", module)
    assert {"acme", "mine"} <= set(discover(["my_recipes"]))


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(RecipeError, match="'no_such_module' cannot be imported"):
        discover(["no_such_module"])


def test_a_module_without_a_recipe_is_named() -> None:
    with pytest.raises(RecipeError, match="'json' has no @assistant"):
        discover(["json"])


def test_two_assistants_with_one_name_are_an_error() -> None:
    with pytest.raises(DuplicateAssistantError, match="two assistants are called 'mine'"):
        Assistants([recipe(), recipe()])


def test_one_assistant_named_in_two_modules_is_no_error() -> None:
    same = recipe()
    assert list(Assistants([same, same])) == ["mine"]
