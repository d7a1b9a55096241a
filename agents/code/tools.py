"""The tools as a model sees them."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema

from agents.code import reading
from agents.code.limits import Budget, Limits, SpentError
from agents.code.project import Project, ProjectError

# Threads of their own: in the loop's, which look up host names, too, searches would hold up every
# other caller.
MAX_READERS = 8
_READERS = ThreadPoolExecutor(MAX_READERS, thread_name_prefix="code-reader")

TOO_MUCH = "there is too much to look at; ask for less"
WRONG = "the tool failed"


@dataclass(frozen=True)
class ReadingTool:
    """One tool.

    Attributes:
        name: What a model calls it.
        description: What it is for.
        properties: Its arguments as a JSON schema.
        required: Arguments that it cannot do without.
        run: Does the work, in a thread.
    """

    name: str
    description: str
    properties: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]
    run: Callable[..., str]

    @property
    def schema(self) -> FunctionSchema:
        """The tool in Pipecat's form."""
        properties = {name: dict(value) for name, value in self.properties.items()}
        return FunctionSchema(self.name, self.description, properties, list(self.required))

    def checked(self, arguments: object) -> dict[str, Any]:
        """Return the arguments of a call, those that the tool knows.

        Raises:
            ProjectError: If one is missing or of another type.
        """
        given = arguments if isinstance(arguments, dict) else {}
        kept: dict[str, Any] = {}
        for name, schema in self.properties.items():
            value = given.get(name)
            if value is None:
                if name in self.required:
                    raise ProjectError(f"the argument {name!r} is missing")
                continue
            kind: type = int if schema["type"] == "integer" else str
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ProjectError(f"the argument {name!r} is not of type {schema['type']}")
            kept[name] = value
        return kept


_PATH = {"type": "string", "description": "A directory of the project, '.' for all of it."}

TOOLS = (
    ReadingTool(
        "list",
        "List what is in a directory of the project.",
        {"path": _PATH},
        (),
        reading.list_directory,
    ),
    ReadingTool(
        "glob",
        "Find files by a pattern of their paths, such as src/**/test_*.py.",
        {"pattern": {"type": "string", "description": "The pattern; ** for any directories."}},
        ("pattern",),
        reading.find_files,
    ),
    ReadingTool(
        "grep",
        "Search the text of files. Gives path, line number and line of every match.",
        {
            "text": {
                "type": "string",
                "description": "What to search for, as it is; one|other for either. Any case.",
            },
            "path": _PATH,
            "files": {"type": "string", "description": "Only files named like this: *.py"},
        },
        ("text",),
        reading.search_text,
    ),
    ReadingTool(
        "read",
        "Read lines of a text file.",
        {
            "path": {"type": "string", "description": "The file's path inside the project."},
            "first": {"type": "integer", "description": "The first line, from 1."},
            "count": {"type": "integer", "description": "How many lines, 100 by default."},
        },
        ("path",),
        reading.read_lines,
    ),
)


@dataclass(frozen=True)
class Toolbox:
    """The tools over one project.

    Attributes:
        project: What they read.
        limits: What one call may cost.
    """

    project: Project
    limits: Limits = field(default_factory=Limits)

    @property
    def schema(self) -> ToolsSchema:
        """All tools in Pipecat's form."""
        return ToolsSchema(standard_tools=[tool.schema for tool in TOOLS])

    async def call(self, name: str, arguments: object) -> str:
        """Use a tool; the result, or why there is none, is for the model to read.

        A cancelled call leaves its thread, which notices at the next file.

        Args:
            name: The tool's name, as the model said it.
            arguments: Its arguments, as the model said them.
        """
        tool = next((tool for tool in TOOLS if tool.name == name), None)
        if tool is None:
            return f"error: there is no such tool; there are {', '.join(t.name for t in TOOLS)}"
        budget = Budget(self.limits)
        try:
            kept = tool.checked(arguments)
            work = partial(tool.run, self.project, budget, **kept)
            return await asyncio.get_running_loop().run_in_executor(_READERS, work)
        except ProjectError as refusal:
            return f"error: {refusal}"
        except SpentError:
            return f"error: {TOO_MUCH}"
        except Exception:
            logger.exception(f"The tool {tool.name} failed")
            return f"error: {WRONG}"
        finally:
            budget.cancelled.set()
