"""One filled-in instance of every frame and message that may cross, from its declared fields."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
from pipecat.bus.messages import BusMessage
from pipecat.frames.frames import Frame, TextFrame
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage
from pydantic import BaseModel

from proxy.codec import kinds as k
from proxy.codec.catalog import Catalog
from proxy.codec.context import Context, Message, Tools, ToolsOrNotGiven
from proxy.codec.kinds import Kind
from proxy.codec.models import OneModel
from proxy.codec.records import FrameId, OneRecord, Record, foreign_id

TOOLS = ToolsSchema(
    standard_tools=[
        FunctionSchema("look", "Look something up.", {"what": {"type": "string"}}, ["what"])
    ],
    custom_tools={AdapterType.OPENAI: [{"type": "web_search"}]},
)

# An id of the other side's as it is kept here, so that it comes back as itself.
REFERENCE = foreign_id(11)

MESSAGES: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Grüße, 世界 🌍"}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
    LLMSpecificMessage(llm="google", message={"parts": [1, 2.5, True, None]}),
]


def sample_record(record: Record, catalog: Catalog, depth: int = 0) -> Any:
    """Build an instance with every field that crosses set to something other than its default."""
    given: dict[str, Any] = dict.fromkeys(record.filled)
    later: dict[str, Any] = {}
    for field in record.fields:
        value = sample_value(field.kind, catalog, depth, field.name)
        (given if field.init else later)[field.name] = value
    if record.cls.__name__ in ("OutputDTMFFrame", "OutputDTMFUrgentFrame"):
        given["buttons"] = None  # the class takes one or the other
    made = record.cls(**given)
    for name, value in later.items():
        setattr(made, name, value)
    return made


def sample_value(kind: Kind, catalog: Catalog, depth: int, name: str) -> Any:
    match kind:
        case k.Optional():
            return sample_value(kind.inner, catalog, depth, name)
        case k.ListOf(inner=Message()):
            return list(MESSAGES)
        case k.ListOf():
            return [sample_value(kind.inner, catalog, depth, name)] * 2
        case k.FixedTuple():
            return tuple(sample_value(inner, catalog, depth, name) for inner in kind.inner)
        case OneRecord():
            return sample_frame_for(kind, catalog, depth)
        case Record():
            return sample_record(kind, catalog, depth)
    return sample_leaf(kind, name)


def sample_leaf(kind: Kind, name: str) -> Any:
    match kind:
        case k.Within():
            return kind.highest
        case k.Scalar():
            scalars = {str: f"{name} ü\n", int: 7, float: 2.5, bool: name != "interruptible"}
            return scalars[kind.scalar]
        case k.Choice():
            return min(kind.options)
        case k.EnumMember():
            return list(kind.enum)[-1]
        case k.EnumOrStr():
            return next(iter(kind.by_value.values()))
        case OneModel():
            return sample_model(kind.models[-1])
    return FIXED[type(kind)]()


FIXED: dict[type[Kind], Callable[[], Any]] = {
    k.Bytes: lambda: bytes(range(256)),
    k.Json: lambda: {"a": [1, 2.5, "x", None, True], "b": {"c": b"\x00\xff"}},
    FrameId: lambda: REFERENCE,
    Tools: lambda: TOOLS,
    ToolsOrNotGiven: lambda: TOOLS,
    Context: lambda: LLMContext(messages=list(MESSAGES), tools=TOOLS, tool_choice="auto"),
}


def sample_frame_for(kind: OneRecord, catalog: Catalog, depth: int) -> Frame:
    if kind.lookup("pipecat.frames.frames.TextFrame") is not None:
        return TextFrame("hello")
    records = [catalog.frames[path] for path in catalog.frames if kind.lookup(path) is not None]
    frame: Frame = sample_record(records[-1], catalog, depth + 1)
    return frame


def sample_model(model: type[BaseModel]) -> BaseModel:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            values[name] = sample_model(annotation)
        elif annotation is bool:
            values[name] = True
        elif annotation is int:
            values[name] = 3
        elif annotation is float:
            values[name] = 1.5
        elif annotation is str:
            values[name] = f"{name}!"
    return model(**values)


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Name every place where two values differ, looking into objects that do not compare."""
    if type(one) is not type(other):
        yield f"{path}: {type(one).__name__} became {type(other).__name__}"
    elif isinstance(one, Frame | BusMessage):
        for field in fields(one):
            if field.name not in ("id", "name", "event"):
                yield from differences(
                    getattr(one, field.name, MISSING),
                    getattr(other, field.name, MISSING),
                    f"{path}.{field.name}",
                )
    elif isinstance(one, LLMContext):
        yield from differences(one.messages, other.messages, f"{path}.messages")
        yield from differences(one.tools, other.tools, f"{path}.tools")
        yield from differences(one.tool_choice, other.tool_choice, f"{path}.tool_choice")
    elif isinstance(one, ToolsSchema):
        mine = [tool.to_default_dict() for tool in one.standard_tools]
        theirs = [tool.to_default_dict() for tool in other.standard_tools]
        yield from differences(mine, theirs, f"{path}.standard_tools")
        yield from differences(one.custom_tools, other.custom_tools, f"{path}.custom_tools")
    elif isinstance(one, list | tuple) and len(one) == len(other):
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{path}[{index}]")
    elif one != other:
        yield f"{path}: {one!r} became {other!r}"
