"""An assistant is a recipe: a name, and a function that builds the tasks of one session."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipecat.frames.frames import Frame
from pipecat.workers.base_worker import BaseWorker

from agents.errors import RecipeError
from agents.script import Script
from agents.session import SessionContext

Build = Callable[[SessionContext], Sequence[BaseWorker]]

# What may stand in a URL path and in a metric's label without escaping.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Recipe:
    """One assistant.

    Attributes:
        name: Its name, the last part of its URL.
        exports: The tasks that a caller may address. The first is the one that a caller activates.
        build: Builds the tasks of one session.
        description: One line for people who choose.
        phrases: What callers say, in lower case without punctuation; a recogniser that can be
            taught is taught these.
        scripts: What the embedded language model says, by task.
        frames: Frame types that callers may send beyond the default.
    """

    name: str
    exports: tuple[str, ...]
    build: Build
    description: str = ""
    phrases: tuple[str, ...] = ()
    scripts: Mapping[str, Script] = field(default_factory=dict)
    frames: tuple[type[Frame], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a recipe that no caller could reach.

        Raises:
            RecipeError: If the name does not fit a URL or nothing is exported.
        """
        if not _NAME.fullmatch(self.name):
            raise RecipeError(
                f"assistant {self.name!r}: a name has 1 to 63 of a-z, 0-9 and '-', "
                "and starts with a letter or digit"
            )
        if not self.exports:
            raise RecipeError(f"assistant {self.name!r}: exports nothing, so nobody can reach it")

    def tasks(self, session: SessionContext) -> list[BaseWorker]:
        """Build the tasks of one session and check that the exported ones are among them.

        Args:
            session: The session that they are for.

        Raises:
            RecipeError: If an exported task is missing, or two have one name.
        """
        tasks = list(self.build(session))
        names = [task.name for task in tasks]
        missing = [name for name in self.exports if name not in names]
        if missing:
            raise RecipeError(f"assistant {self.name!r}: exports {missing} but did not build them")
        if len(set(names)) != len(names):
            raise RecipeError(f"assistant {self.name!r}: two tasks have one name")
        return tasks


def assistant(
    name: str,
    *,
    exports: Sequence[str],
    description: str = "",
    phrases: Sequence[str] = (),
    scripts: Mapping[str, Script] | None = None,
    frames: Sequence[type[Frame]] = (),
) -> Callable[[Build], Recipe]:
    """Turn a function that builds the tasks of one session into an assistant.

    Example::

        @assistant("acme", exports=("assistant",))
        def acme(session: SessionContext) -> Sequence[BaseWorker]:
            return [AcmeAssistant(session.services.llm("assistant", instruction=PROMPT))]

    Args:
        name: The assistant's name, the last part of its URL.
        exports: The tasks that a caller may address; the first is the one that is activated.
        description: One line for people who choose.
        phrases: What callers say, for recognisers that can be taught.
        scripts: What the embedded language model says, by task.
        frames: Frame types that callers may send beyond the default, for example raw audio.

    Returns:
        A decorator that gives the `Recipe`.
    """

    def decorate(build: Build) -> Recipe:
        return Recipe(
            name=name,
            exports=tuple(exports),
            build=build,
            description=description,
            phrases=tuple(phrases),
            scripts=dict(scripts or {}),
            frames=tuple(frames),
        )

    return decorate
