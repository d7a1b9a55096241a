"""Kinds for a conversation: its messages, its tools and the `LLMContext` that holds both.

Source: the JSON forms are those of `pipecat.bus.adapters` (Pipecat 1.14).
"""

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

from proxy.codec.kinds import TYPE_KEY, Json, Kind, ListOf, tagged, type_path, untag
from proxy.errors import CodecError

_JSON = Json()
_OBJECT = Json(mapping=True)


class Message(Kind):
    """One message of a conversation: an object with a role, or one in a vendor's own form."""

    label = "a conversation message"

    def to_json(self, value: Any, where: str) -> Any:
        """Write a message; a vendor's own form is marked as such."""
        if isinstance(value, LLMSpecificMessage):
            return {
                "__specific__": True,
                "llm": value.llm,
                "message": _JSON.to_json(value.message, where),
            }
        return _OBJECT.to_json(value, where)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read a message in either of the two marks that the stock dialect uses."""
        if type(wire) is not dict:
            raise self.refuse(where)
        if wire.get("__specific__") is True:
            return self._specific(wire, where)
        if TYPE_KEY in wire:
            name, data = untag(wire, where)
            if name != type_path(LLMSpecificMessage) or type(data) is not dict:
                raise self.refuse(where)
            return self._specific(data, where)
        return _OBJECT.from_json(wire, where)

    def _specific(self, data: dict[str, Any], where: str) -> LLMSpecificMessage:
        llm = data.get("llm")
        if type(llm) is not str or "message" not in data:
            raise self.refuse(where)
        return LLMSpecificMessage(llm=llm, message=_JSON.from_json(data["message"], where))


class AppendedMessage(Message):
    """A message outside a context, where a vendor's own form is written as a typed value."""

    def to_json(self, value: Any, where: str) -> Any:
        """Write a message."""
        if isinstance(value, LLMSpecificMessage):
            data = {"llm": value.llm, "message": _JSON.to_json(value.message, where)}
            return tagged(LLMSpecificMessage, data)
        return super().to_json(value, where)


class Tools(Kind):
    """A `ToolsSchema`: what the functions are called and take; never the functions themselves."""

    label = "a tools schema"

    def to_json(self, value: Any, where: str) -> Any:
        """Write the schema; a plain list of tools is taken as one."""
        return tagged(ToolsSchema, self.schema_to_json(value, where))

    def from_json(self, wire: Any, where: str) -> Any:
        """Read the schema."""
        name, data = untag(wire, where)
        if name != type_path(ToolsSchema):
            raise self.refuse(where)
        return self.schema_from_json(data, where)

    def schema_to_json(self, value: Any, where: str) -> dict[str, Any]:
        """Write the schema without its type mark, as it stands inside a context."""
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            value = ToolsSchema(standard_tools=value)
        if not isinstance(value, ToolsSchema):
            raise self.refuse(where)
        tools = [_OBJECT.to_json(tool.to_default_dict(), where) for tool in value.standard_tools]
        result: dict[str, Any] = {"standard_tools": tools}
        if value.custom_tools:
            result["custom_tools"] = {
                adapter.value: _JSON.to_json(custom, where)
                for adapter, custom in value.custom_tools.items()
            }
        return result

    def schema_from_json(self, data: Any, where: str) -> ToolsSchema:
        """Read the schema without its type mark."""
        if type(data) is not dict or type(data.get("standard_tools")) is not list:
            raise self.refuse(where)
        tools = [self._function(item, where) for item in data["standard_tools"]]
        custom = data.get("custom_tools")
        return ToolsSchema(
            standard_tools=tools,
            custom_tools=None if custom is None else self._custom(custom, where),
        )

    def _function(self, item: Any, where: str) -> FunctionSchema:
        item = _OBJECT.from_json(item, where)
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

    def _custom(self, custom: Any, where: str) -> dict[AdapterType, list[dict[str, Any]]]:
        try:
            found = {AdapterType(key): value for key, value in custom.items()}
        except (AttributeError, ValueError):
            raise self.refuse(where) from None
        return {key: _OBJECTS.from_json(value, where) for key, value in found.items()}


_OBJECTS = ListOf(_OBJECT)


class ToolsOrNotGiven(Tools):
    """A `ToolsSchema`, or Pipecat's `NOT_GIVEN`, which is written as null."""

    def to_json(self, value: Any, where: str) -> Any:
        """Write the schema or null."""
        return None if isinstance(value, NotGiven) else super().to_json(value, where)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read the schema or `NOT_GIVEN`."""
        return NOT_GIVEN if wire is None else super().from_json(wire, where)


class Context(Kind):
    """An `LLMContext`: messages, tools and tool choice."""

    label = "a conversation"

    def __init__(self) -> None:
        """Build the kinds of its parts."""
        self.messages = ListOf(Message())
        self.tools = Tools()

    def to_json(self, value: Any, where: str) -> Any:
        """Write a whole conversation."""
        if not isinstance(value, LLMContext):
            raise self.refuse(where)
        data: dict[str, Any] = {"messages": self.messages.to_json(value.messages, where)}
        if not isinstance(value.tools, NotGiven):
            data["tools"] = self.tools.schema_to_json(value.tools, where)
        if not isinstance(value.tool_choice, NotGiven):
            data["tool_choice"] = _JSON.to_json(value.tool_choice, where)
        return tagged(LLMContext, data)

    def from_json(self, wire: Any, where: str) -> Any:
        """Read a whole conversation into a context of its own."""
        name, data = untag(wire, where)
        if name != type_path(LLMContext) or type(data) is not dict or "messages" not in data:
            raise self.refuse(where)
        if not data.keys() <= {"messages", "tools", "tool_choice"}:
            raise CodecError(f"{where}: a conversation has messages, tools and a tool choice")
        tools = self.tools.schema_from_json(data["tools"], where) if "tools" in data else NOT_GIVEN
        choice = _JSON.from_json(data["tool_choice"], where) if "tool_choice" in data else NOT_GIVEN
        return LLMContext(
            messages=cast(
                list[LLMContextMessage], self.messages.from_json(data["messages"], where)
            ),
            tools=tools,
            tool_choice=choice,
        )
