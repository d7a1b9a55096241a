"""An assistant is a recipe: a name, and a function that builds the tasks of one session."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipecat.frames.frames import Frame
from pipecat.workers.base_worker import BaseWorker

from agents.errors import RecipeError
from agents.script import Script
from agents.session import SessionContext
from agents.variables import variable

Tasks = Sequence[BaseWorker]
Build = Callable[[SessionContext], Tasks | Awaitable[Tasks]]

# The task that a session server adds to every session: its end of the line.
GATEWAY = "gateway"

# Stands between a task and where it runs in the names that lines and runners give themselves.
_RESERVED_CHARACTER = "@"

# What may stand in a URL path and in a metric's label without escaping.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Recipe:
    """One assistant.

    Attributes:
        name: Its name, the last part of its URL.
        exports: The tasks that a caller may address. The first is the one that a caller activates.
        build: Builds the tasks of one session. A plain function may run in a thread, without an
            event loop; a coroutine function runs on the loop and must not block it.
        description: One line for people who choose.
        phrases: What callers say, in lower case without punctuation; a recogniser that can be
            taught is taught these.
        scripts: What the embedded language model says, by task.
        frames: Frame types that callers may send beyond the default.
        speaks: Whether its tasks send sound, in voices of their own; callers then bring none.
        shows_jobs: Whether a caller's screen shows the jobs of its tasks.
        server_needs: Environment variables without which a server does not host it, each with what
            to set it to. In one process, where whoever calls is whoever runs it, they are optional.
    """

    name: str
    exports: tuple[str, ...]
    build: Build
    description: str = ""
    phrases: tuple[str, ...] = ()
    scripts: Mapping[str, Script] = field(default_factory=dict)
    frames: tuple[type[Frame], ...] = ()
    speaks: bool = False
    shows_jobs: bool = True
    server_needs: Mapping[str, str] = field(default_factory=dict)

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

    @property
    def not_hosted(self) -> str | None:
        """Why a server does not host it, and what to do about it; None if it does."""
        missing = [
            f"{name} to {meaning}"
            for name, meaning in self.server_needs.items()
            if variable(name) is None
        ]
        if not missing:
            return None
        return f"the assistant {self.name!r} is not hosted: set {' and '.join(missing)}"

    @property
    def is_async(self) -> bool:
        """Whether the tasks are built by a coroutine function."""
        call = getattr(self.build, "__call__", None)  # noqa: B004  # an object may have an async one
        return inspect.iscoroutinefunction(self.build) or inspect.iscoroutinefunction(call)

    def tasks(self, session: SessionContext) -> list[BaseWorker]:
        """Build the tasks of one session and check them.

        Args:
            session: The session that they are for.

        Raises:
            RecipeError: If the recipe is a coroutine function, an exported task is missing, or a
                task has a name that it cannot have.
        """
        if self.is_async:
            raise RecipeError(f"assistant {self.name!r}: is a coroutine function, to be awaited")
        return self._checked(self.build(session))  # type: ignore[arg-type]

    async def tasks_on_loop(self, session: SessionContext) -> list[BaseWorker]:
        """Build the tasks of one session on the event loop, whatever the recipe is; see `tasks`.

        Args:
            session: The session that they are for.

        Raises:
            RecipeError: If an exported task is missing, or a task has a name that it cannot have.
        """
        built = self.build(session)
        return self._checked(await built if inspect.isawaitable(built) else built)

    def _checked(self, built: Iterable[BaseWorker]) -> list[BaseWorker]:
        tasks = list(built)
        names = [task.name for task in tasks]
        missing = [name for name in self.exports if name not in names]
        if missing:
            raise RecipeError(f"assistant {self.name!r}: exports {missing} but did not build them")
        if len(set(names)) != len(names):
            raise RecipeError(f"assistant {self.name!r}: two tasks have one name")
        if GATEWAY in names:
            raise RecipeError(
                f"assistant {self.name!r}: a task cannot be called {GATEWAY!r}, as the session's "
                "own end of the line is"
            )
        reserved = [name for name in names if _RESERVED_CHARACTER in name]
        if reserved:
            raise RecipeError(
                f"assistant {self.name!r}: the names {reserved} have a {_RESERVED_CHARACTER!r}, "
                "which marks tasks of other runners"
            )
        return tasks


def assistant(
    name: str,
    *,
    exports: Sequence[str],
    description: str = "",
    phrases: Sequence[str] = (),
    scripts: Mapping[str, Script] | None = None,
    frames: Sequence[type[Frame]] = (),
    speaks: bool = False,
    shows_jobs: bool = True,
    server_needs: Mapping[str, str] | None = None,
) -> Callable[[Build], Recipe]:
    """Turn a function that builds the tasks of one session into an assistant.

    Example::

        @assistant("acme", exports=("assistant",))
        def acme(session: SessionContext) -> Sequence[BaseWorker]:
            llm = session.services.llm("assistant", instruction=PROMPT)
            return [Host("assistant", llm, greeting=GREETING)]

    A recipe that has something to wait for is a coroutine function. A plain function is given a
    thread, so that it may take its time, and finds no event loop there.

    Args:
        name: The assistant's name, the last part of its URL.
        exports: The tasks that a caller may address; the first is the one that is activated.
        description: One line for people who choose.
        phrases: What callers say, for recognisers that can be taught.
        scripts: What the embedded language model says, by task.
        frames: Frame types that callers may send beyond the default, for example raw audio.
        speaks: Whether its tasks send sound, in voices of their own; callers then bring none.
        shows_jobs: Whether a caller's screen shows which tasks ask which, and what they answer.
        server_needs: Variables without which a server does not host it, and what to set them to.

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
            speaks=speaks,
            shows_jobs=shows_jobs,
            server_needs=dict(server_needs or {}),
        )

    return decorate
