"""The closed table: every class that may cross a line, built once from Pipecat's own modules.

Nothing is ever imported because the wire says so. A name that is not in the table is refused; a
class that Pipecat adds later is in it only where its fields are of known kinds, and a test turns
red until someone has looked.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, StrEnum
from functools import cache
from types import ModuleType
from typing import Any, Literal, Union

from pipecat.adapters.llm.schemas.direct_function import DirectFunction
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.turn.base_turn_analyzer import BaseTurnParams
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.bus import messages as bus_messages
from pipecat.bus.messages import BusMessage
from pipecat.bus.ui import messages as ui_messages
from pipecat.frames import frames
from pipecat.frames.frames import Frame
from pipecat.metrics import metrics
from pipecat.pipeline.job_context import JobStatus
from pipecat.processors.aggregators.llm_context import LLMContext, NotGiven
from pipecat.utils.context.llm_context_summarization import LLMContextSummaryConfig
from pydantic import BaseModel

from proxy.codec import kinds as k
from proxy.codec import rules
from proxy.codec.context import Context, Message, ToolsOrNotGiven
from proxy.codec.kinds import Kind
from proxy.codec.models import OneModel
from proxy.codec.records import NO_DEFAULT, Field, FrameId, OneRecord, Record, type_path
from proxy.errors import RegistrationError


class _Live:
    """Stands for classes whose instances never leave their process."""


class _AnyMessage:
    """Stands for one message of a conversation."""


# What Pipecat's modules import for type checkers alone.
_NAMES: dict[str, Any] = {
    "BaseWorker": _Live,
    "DirectFunction": DirectFunction,
    "FrameProcessor": _Live,
    "FunctionSchema": FunctionSchema,
    "JobStatus": JobStatus,
    "LLMContext": LLMContext,
    "LLMContextMessage": _AnyMessage,
    "LLMContextSummaryConfig": LLMContextSummaryConfig,
    "LLMService": _Live,
    "NotGiven": NotGiven,
    "TracingContext": _Live,
    "UserTurnStrategies": _Live,
}

_SCALARS = (str, int, float, bool)


class Catalog:
    """The closed table of one process.

    Attributes:
        frames: Records of frames by stock name.
        messages: Records of bus messages by stock name.
    """

    def __init__(self) -> None:
        """Build the table from Pipecat's frame and message modules."""
        self.frames: dict[str, Record] = {}
        self.messages: dict[str, Record] = {}
        self._nested: dict[type, Record] = {}
        self._by_class: dict[type, Record] = {}
        self._by_name: dict[str, Record] = {}
        for cls in (*classes_in(frames, Frame), *rules.SHOWN):
            self._add(self._record(cls))
        for module in (bus_messages, ui_messages):
            for cls in classes_in(module, BusMessage):
                self._add(self._record(cls))

    def register(self, *classes: type) -> None:
        """Add an application's own frames or bus messages to the table.

        Args:
            *classes: Dataclasses derived from `Frame` or `BusMessage`.

        Raises:
            RegistrationError: If a class is neither, or has a field that cannot cross.
        """
        for cls in classes:
            if not issubclass(cls, Frame | BusMessage):
                raise RegistrationError(f"{cls.__name__} is neither a Frame nor a BusMessage")
            taken = self._by_name.get(cls.__name__)
            if taken is not None and taken.cls is not cls:
                raise RegistrationError(f"there is a {cls.__name__} in the table already")
            record = self._record(cls)
            if record.never is not None:
                raise RegistrationError(f"{cls.__name__} cannot cross: {record.never}")
            self._add(record)

    def frame_record(self, cls: type) -> Record | None:
        """Find the record of a frame class, or None if it never crosses."""
        return self._by_class.get(cls)

    def message_record(self, cls: type) -> Record | None:
        """Find the record of a message class, or None if it never crosses."""
        return self._by_class.get(cls)

    def frame_named(self, name: str) -> Record | None:
        """Find the record of a frame class by its short name, or None if it never crosses."""
        record = self._by_name.get(name)
        return record if record is not None and issubclass(record.cls, Frame) else None

    def message_named(self, name: str) -> Record | None:
        """Find the record of a message class by its short name, or None if it never crosses."""
        record = self._by_name.get(name)
        return record if record is not None and issubclass(record.cls, BusMessage) else None

    def frame_class(self, name: str) -> type[Frame]:
        """Find a frame class by its short name, as recipes and settings name it.

        Raises:
            KeyError: If no such class is in the table.
        """
        record = self.frame_named(name)
        if record is None:
            raise KeyError(name)
        return record.cls

    def _add(self, record: Record) -> None:
        table = self.frames if issubclass(record.cls, Frame) else self.messages
        table[type_path(record.cls)] = record
        if record.never is None:
            self._by_class[record.cls] = self._by_name[record.name] = record

    def _record(self, cls: type) -> Record:
        stays = {
            field: reason
            for base in cls.__mro__
            for field, reason in rules.STAYS.get(base.__name__, {}).items()
        }
        never = rules.NEVER.get(cls.__name__)
        identified = issubclass(cls, rules.IDENTIFIED)
        if never is not None:
            return Record(cls, (), stays, never)
        hints = typing.get_type_hints(cls, localns=_NAMES)
        fields: list[Field] = []
        filled: list[str] = []
        for field in dataclasses.fields(cls):
            if field.name in stays:
                if _required(field):
                    filled.append(field.name)
                continue
            kind = self._kind_of_field(cls, field.name, hints[field.name])
            if kind is None:
                return Record(cls, (), stays, f"field {field.name} is of an unknown kind")
            fields.append(Field(field.name, kind, _required(field), field.init, _default(field)))
        return Record(cls, tuple(fields), stays, None, identified, tuple(filled))

    def _kind_of_field(self, cls: type, name: str, hint: Any) -> Kind | None:
        if name in rules.REFERENCES:
            return k.Optional(FrameId()) if _allows_none(hint) else FrameId()
        if name in rules.RANGES and hint is int:
            return k.Within(*rules.RANGES[name])
        if name == "messages" and issubclass(cls, Frame):
            return k.ListOf(Message(in_context=False))
        return self._kind(hint)

    def _kind(self, hint: Any) -> Kind | None:
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (Union, types.UnionType):
            return self._union(args)
        if origin is Literal:
            return k.Choice(*args)
        if origin in (list, Sequence):
            inner = self._kind(args[0])
            return None if inner is None else k.ListOf(inner)
        if origin is tuple:
            inner_kinds = [self._kind(arg) for arg in args]
            found = [kind for kind in inner_kinds if kind is not None]
            return k.FixedTuple(*found) if len(found) == len(args) else None
        if hint is Any:
            return k.Json()
        if hint is dict or origin in (dict, Mapping):
            return k.Json(mapping=True)
        return self._class_kind(hint) if isinstance(hint, type) else None

    def _union(self, args: tuple[Any, ...]) -> Kind | None:
        rest = [arg for arg in args if arg is not type(None)]
        if len(rest) != len(args):
            inner = self._union(tuple(rest)) if len(rest) > 1 else self._kind(rest[0])
            return None if inner is None else k.Optional(inner)
        if ToolsSchema in rest:
            return ToolsOrNotGiven()
        enums = [arg for arg in rest if isinstance(arg, type) and issubclass(arg, StrEnum)]
        if str in rest and len(enums) == 1 and len(rest) == 2:
            return k.EnumOrStr(enums[0])
        if dict in rest:
            return k.Json()
        return None

    def _class_kind(self, cls: type) -> Kind | None:
        if cls in _SCALARS:
            return k.Scalar(cls)
        if cls is bytes:
            return k.Bytes()
        if cls is LLMContext:
            return Context()
        if issubclass(cls, Enum):
            return k.EnumMember(cls)
        if issubclass(cls, Frame):
            return OneRecord(cls.__name__, lambda name: self._frame_under(cls, name))
        if issubclass(cls, BaseModel):
            return OneModel(*_models_under(cls))
        if dataclasses.is_dataclass(cls):
            return self._nested_record(cls)
        return None

    def _nested_record(self, cls: type) -> Record | None:
        if cls not in self._nested:
            self._nested[cls] = self._record(cls)
        record = self._nested[cls]
        return None if record.never is not None else record

    def _frame_under(self, base: type, name: str) -> Record | None:
        record = _crossing(self.frames.get(name)) or self.frame_named(name)
        return record if record is not None and issubclass(record.cls, base) else None


def _crossing(record: Record | None) -> Record | None:
    return None if record is None or record.never is not None else record


def _allows_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.init and field.default is missing and field.default_factory is missing


def _default(field: "dataclasses.Field[Any]") -> Any:
    factory = field.default_factory
    if field.default is not dataclasses.MISSING:
        return field.default
    return factory() if factory in (dict, list) else NO_DEFAULT


def _models_under(cls: type[BaseModel]) -> Iterable[type[BaseModel]]:
    if cls is metrics.MetricsData:
        models = classes_in(metrics, metrics.MetricsData)
        return [model for model in models if model.__name__ not in rules.OLD_PARTS]
    if cls is BaseTurnParams:
        return (BaseTurnParams, SmartTurnParams)
    return (cls,)


def classes_in(module: ModuleType, base: type) -> list[type]:
    """List the classes that a module itself defines under a base, in order of definition."""
    own = (value for value in vars(module).values() if inspect.isclass(value))
    return [cls for cls in own if issubclass(cls, base) and cls.__module__ == module.__name__]


@cache
def default_catalog() -> Catalog:
    """Return the table of this process, which `register` extends."""
    return Catalog()
