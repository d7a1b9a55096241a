"""Kinds for a conversation: its messages, its tools and the `LLMContext` that holds both."""

from collections.abc import Sequence
from typing import Any, cast

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
from pipecat.processors.aggregators.llm_context import (
    NOT_GIVEN,
    LLMContext,
    LLMContextMessage,
    LLMSpecificMessage,
    NotGiven,
)

from proxy.codec.form import Form
from proxy.codec.kinds import Json, Kind, ListOf
from proxy.errors import CodecError

_JSON = Json()
_OBJECT = Json(mapping=True)
_OBJECTS = ListOf(_OBJECT)


class Message(Kind):
    """One message of a conversation: an object with a role, or one in a vendor's own form."""

    label = "a conversation message"

    def __init__(self, *, in_context: bool = True) -> None:
        """Say where the messages stand.

        Args:
            in_context: Whether they are parts of a whole conversation.
        """
        self.in_context = in_context

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write a message; a vendor's own form is marked as such."""
        if isinstance(value, LLMSpecificMessage):
            message = _JSON.write(value.message, where, form)
            return form.write_specific(value.llm, message, in_context=self.in_context)
        return _OBJECT.write(value, where, form)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read a message."""
        specific = form.read_specific(wire)
        if specific is None:
            return _OBJECT.read(wire, where, form)
        llm, message = specific
        if type(llm) is not str:
            raise self.refuse(where)
        return LLMSpecificMessage(llm=llm, message=_JSON.read(message, where, form))


class Tools(Kind):
    """A `ToolsSchema`: what the functions are called and take; never the functions themselves."""

    label = "a tools schema"

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write the schema; a plain list of tools is taken as one."""
        return form.write_as(ToolsSchema, self.write_schema(value, where, form))

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read the schema."""
        return self.read_schema(form.read_as(wire, ToolsSchema, where), where, form)

    def write_schema(self, value: Any, where: str, form: Form) -> dict[str, Any]:
        """Write the schema without a mark of its type, as it stands inside a context."""
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            value = ToolsSchema(standard_tools=value)
        if not isinstance(value, ToolsSchema):
            raise self.refuse(where)
        tools = [_OBJECT.write(t.to_default_dict(), where, form) for t in value.standard_tools]
        result: dict[str, Any] = {"standard_tools": tools}
        if value.custom_tools:
            result["custom_tools"] = {
                adapter.value: _JSON.write(custom, where, form)
                for adapter, custom in value.custom_tools.items()
            }
        return result

    def read_schema(self, data: Any, where: str, form: Form) -> ToolsSchema:
        """Read the schema without a mark of its type."""
        if type(data) is not dict or type(data.get("standard_tools")) is not list:
            raise self.refuse(where)
        tools = [self._function(item, where, form) for item in data["standard_tools"]]
        custom = data.get("custom_tools")
        return ToolsSchema(
            standard_tools=tools,
            custom_tools=None if custom is None else self._custom(custom, where, form),
        )

    def _function(self, item: Any, where: str, form: Form) -> FunctionSchema:
        item = _OBJECT.read(item, where, form)
        name, description = item.get("name"), item.get("description", "")
        parameters = item.get("parameters", {})
        if type(name) is not str or type(description) is not str or type(parameters) is not dict:
            raise self.refuse(where)
        properties, required = parameters.get("properties", {}), parameters.get("required", [])
        if type(properties) is not dict or type(required) is not list:
            raise self.refuse(where)
        return FunctionSchema(
            name=name, description=description, properties=properties, required=required
        )

    def _custom(
        self, custom: Any, where: str, form: Form
    ) -> dict[AdapterType, list[dict[str, Any]]]:
        try:
            found = {AdapterType(key): value for key, value in custom.items()}
        except (AttributeError, ValueError):
            raise self.refuse(where) from None
        return {key: _OBJECTS.read(value, where, form) for key, value in found.items()}


class ToolsOrNotGiven(Tools):
    """A `ToolsSchema`, or Pipecat's `NOT_GIVEN`, which is written as null."""

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write the schema or null."""
        return None if isinstance(value, NotGiven) else super().write(value, where, form)

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read the schema or `NOT_GIVEN`."""
        return NOT_GIVEN if wire is None else super().read(wire, where, form)


class Context(Kind):
    """An `LLMContext`: messages, tools and tool choice."""

    label = "a conversation"
    messages = ListOf(Message())
    tools = Tools()

    def write(self, value: Any, where: str, form: Form) -> Any:
        """Write a whole conversation."""
        if not isinstance(value, LLMContext):
            raise self.refuse(where)
        data: dict[str, Any] = {"messages": self.messages.write(value.messages, where, form)}
        return form.write_as(LLMContext, data | self.write_offer(value, where, form))

    def write_offer(self, value: LLMContext, where: str, form: Form) -> dict[str, Any]:
        """Write what a conversation holds beside its messages: the tools and how to choose one."""
        offer: dict[str, Any] = {}
        if not isinstance(value.tools, NotGiven):
            offer["tools"] = self.tools.write_schema(value.tools, where, form)
        if not isinstance(value.tool_choice, NotGiven):
            offer["tool_choice"] = _JSON.write(value.tool_choice, where, form)
        return offer

    def read(self, wire: Any, where: str, form: Form) -> Any:
        """Read a whole conversation into a context of its own."""
        data = form.read_as(wire, LLMContext, where)
        if type(data) is not dict or "messages" not in data:
            raise self.refuse(where)
        if not data.keys() <= {"messages", "tools", "tool_choice"}:
            raise CodecError(f"{where}: a conversation has messages, tools and a tool choice")
        return self.build(self.messages.read(data["messages"], where, form), data, where, form)

    def build(
        self, messages: list[Any], offer: dict[str, Any], where: str, form: Form
    ) -> LLMContext:
        """Make a context from messages that were read already, and the rest.

        Args:
            messages: The messages; the context keeps the list.
            offer: What `write_offer` wrote; other keys are ignored.
            where: The place, for the error text.
            form: How the dialect lays out the parts.

        Raises:
            CodecError: If the tools do not fit.
        """
        tools: ToolsSchema | NotGiven = NOT_GIVEN
        choice: Any = NOT_GIVEN
        if "tools" in offer:
            tools = self.tools.read_schema(offer["tools"], where, form)
        if "tool_choice" in offer:
            choice = _JSON.read(offer["tool_choice"], where, form)
        return LLMContext(
            messages=cast(list[LLMContextMessage], messages), tools=tools, tool_choice=choice
        )
