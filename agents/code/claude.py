"""Claude, driven by the Claude Agent SDK, with the same tools and no others.

The SDK starts its own command-line program, whose tools could read, write and run anything that
this process can. All of them are switched off: what Claude sees of the machine is what our tools
give it.
"""

import asyncio
import contextlib
from typing import Any

from loguru import logger

from agents.code.driver import INSTRUCTION, ModelError
from agents.code.model import NO_ANSWER, LoopLimits
from agents.code.tools import TOOLS, ReadingTool, Toolbox
from agents.errors import RecipeError

SERVER = "project"

# The program is told to go, and is killed by the SDK if it does not.
CLOSE_TIMEOUT_S = 10.0


class ClaudeDriver:
    """Asks Claude in one conversation that lasts as long as the session."""

    def __init__(self, key: str, tools: Toolbox, limits: LoopLimits | None = None) -> None:
        """Prepare; nothing is started before the first question.

        Args:
            key: The key for Anthropic's API.
            tools: What Claude may use.
            limits: What one question may cost.

        Raises:
            RecipeError: If the SDK is not installed.
        """
        try:
            import claude_agent_sdk
        except ImportError:
            raise RecipeError(
                "ANTHROPIC_API_KEY is set, and the Claude Agent SDK is not installed: "
                "pip install 'trunkline[claude]'"
            ) from None
        self._sdk: Any = claude_agent_sdk
        self._key = key
        self._tools = tools
        self._limits = limits or LoopLimits()
        self._client: Any = None

    async def ask(self, question: str) -> str:
        """Answer a question; see `Driver.ask`.

        Raises:
            ModelError: If Claude fails, or does not come to an end.
        """
        try:
            return await self._ask(question)
        except (ModelError, asyncio.CancelledError):
            # What of the question is still under way would be answered to the next one.
            await self.close()
            raise
        except Exception as error:
            logger.warning(f"Claude failed ({type(error).__name__})")
            await self.close()
            raise ModelError(NO_ANSWER) from None

    async def close(self) -> None:
        """End the program; the next question starts another, which remembers nothing."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await asyncio.shield(client.disconnect())

    async def _ask(self, question: str) -> str:
        if self._client is None:
            client = self._sdk.ClaudeSDKClient(options=self._options())
            self._client = client
            await client.connect()
        await self._client.query(question)
        answer = ""
        async for message in self._client.receive_response():
            if isinstance(message, self._sdk.ResultMessage):
                answer = "" if message.is_error else message.result or ""
        if not answer.strip():
            raise ModelError(NO_ANSWER)
        return answer[: self._limits.answer_bytes]

    def _options(self) -> Any:
        sdk = self._sdk
        server = sdk.create_sdk_mcp_server(SERVER, tools=[self._offered(tool) for tool in TOOLS])
        return sdk.ClaudeAgentOptions(
            tools=[],
            mcp_servers={SERVER: server},
            strict_mcp_config=True,
            allowed_tools=[f"mcp__{SERVER}__{tool.name}" for tool in TOOLS],
            permission_mode="dontAsk",
            # No settings of this machine's user, and no instructions that lie in the project.
            setting_sources=[],
            system_prompt=INSTRUCTION,
            max_turns=self._limits.rounds,
            cwd=str(self._tools.project.root),
            env={"ANTHROPIC_API_KEY": self._key},
        )

    def _offered(self, tool: ReadingTool) -> Any:
        async def use(arguments: dict[str, Any]) -> dict[str, Any]:
            result = await self._tools.call(tool.name, arguments)
            return {"content": [{"type": "text", "text": result}]}

        properties = {name: dict(value) for name, value in tool.properties.items()}
        schema = {"type": "object", "properties": properties, "required": list(tool.required)}
        return self._sdk.tool(tool.name, tool.description, schema)(use)
