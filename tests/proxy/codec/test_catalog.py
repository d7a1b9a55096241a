"""The closed table holds every class of Pipecat's, or says why not."""

from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, Literal, TypeVar

import pytest
from pipecat.bus import messages as bus_messages
from pipecat.bus.messages import BusMessage
from pipecat.bus.ui import messages as ui_messages
from pipecat.frames import frames
from pipecat.frames.frames import DataFrame, Frame

from proxy.codec import rules
from proxy.codec.catalog import Catalog, classes_in, default_catalog
from proxy.errors import RegistrationError


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


@pytest.mark.parametrize("cls", classes_in(frames, Frame), ids=lambda cls: cls.__name__)
def test_every_frame_crosses_or_is_listed_with_a_reason(cls: type[Frame], catalog: Catalog) -> None:
    crosses = catalog.frame_record(cls) is not None
    assert crosses != (cls.__name__ in rules.NEVER), (
        f"{cls.__name__} is new to us: give its fields a kind, or a reason in rules.NEVER"
    )


@pytest.mark.parametrize(
    "cls",
    [*classes_in(bus_messages, BusMessage), *classes_in(ui_messages, BusMessage)],
    ids=lambda cls: cls.__name__,
)
def test_every_message_crosses_or_is_listed_with_a_reason(
    cls: type[BusMessage], catalog: Catalog
) -> None:
    assert (catalog.message_record(cls) is not None) != (cls.__name__ in rules.NEVER)


def test_every_rule_names_a_class_and_a_field_that_exist(catalog: Catalog) -> None:
    known = {record.name for record in (*catalog.frames.values(), *catalog.messages.values())}
    assert rules.NEVER.keys() <= known
    for name, stays in rules.STAYS.items():
        cls = getattr(frames, name, None) or getattr(bus_messages, name, None)
        if cls is not None:
            assert stays.keys() <= set(cls.__dataclass_fields__), name


def test_every_field_crosses_or_stays_for_a_reason(catalog: Catalog) -> None:
    for record in (*catalog.frames.values(), *catalog.messages.values()):
        if record.never is None:
            crossing = {field.name for field in record.fields}
            assert crossing | record.stays.keys() >= {field.name for field in fields(record.cls)}
            assert not crossing & record.stays.keys()


def test_frames_that_are_refused_from_callers_are_in_the_table(catalog: Catalog) -> None:
    for cls in rules.LIFECYCLE | rules.SETTINGS | rules.CONVERSATION | rules.HOME:
        assert catalog.frame_record(cls) is not None, cls


@dataclass
class WeatherFrame(DataFrame):
    place: str
    degrees: float
    notes: list[str] = field(default_factory=list)


@dataclass
class LiveFrame(DataFrame):
    callback: Any


@dataclass
class SocketFrame(DataFrame):
    handler: "object"


def test_an_application_registers_its_own_frames() -> None:
    catalog = Catalog()
    assert catalog.frame_record(WeatherFrame) is None
    catalog.register(WeatherFrame)
    record = catalog.frame_record(WeatherFrame)
    assert record is not None
    assert [field.name for field in record.fields][-3:] == ["place", "degrees", "notes"]
    assert catalog.frame_class("WeatherFrame") is WeatherFrame


def test_a_frame_with_a_field_of_unknown_kind_cannot_be_registered() -> None:
    with pytest.raises(RegistrationError, match="field handler is of an unknown kind"):
        Catalog().register(SocketFrame)


def test_only_frames_and_messages_can_be_registered() -> None:
    with pytest.raises(RegistrationError, match="neither a Frame nor a BusMessage"):
        Catalog().register(dict)


def test_a_frame_is_found_by_its_short_name(catalog: Catalog) -> None:
    assert catalog.frame_class("InputAudioRawFrame") is frames.InputAudioRawFrame
    with pytest.raises(KeyError):
        catalog.frame_class("os.system")


def test_a_name_is_given_once() -> None:
    catalog = Catalog()
    catalog.register(WeatherFrame)
    catalog.register(WeatherFrame)  # the same again is no harm
    other = make_dataclass("WeatherFrame", [("place", str)], bases=(DataFrame,))
    with pytest.raises(RegistrationError, match="there is a WeatherFrame in the table already"):
        catalog.register(other)


@dataclass
class Reading:
    degrees: float


@dataclass
class Sensor:
    handler: object


@pytest.mark.parametrize(
    "hint",
    [
        str,
        float | None,
        list[str],
        tuple[int, str],
        dict[str, Any],
        str | dict,
        Literal["a", "b"],
        Reading,
        list[Reading],
        DataFrame,
    ],
    ids=str,
)
def test_a_field_of_a_known_kind_may_cross(hint: Any) -> None:
    catalog = Catalog()
    own = make_dataclass("OwnFrame", [("one", hint), ("other", hint)], bases=(DataFrame,))
    catalog.register(own)
    record = catalog.frame_record(own)
    assert record is not None
    assert [field.name for field in record.fields][-2:] == ["one", "other"]


@pytest.mark.parametrize(
    "hint",
    [str | int, str | int | None, list[object], tuple[object, str], Sensor, TypeVar("T")],
    ids=str,
)
def test_a_field_of_any_other_kind_may_not(hint: Any) -> None:
    own = make_dataclass("OwnFrame", [("one", hint)], bases=(DataFrame,))
    with pytest.raises(RegistrationError, match="field one is of an unknown kind"):
        Catalog().register(own)


def test_both_codecs_of_a_process_look_into_one_table() -> None:
    assert default_catalog() is default_catalog()
    fresh = default_catalog.__wrapped__()
    assert fresh.frame_record(DataFrame) == Catalog().frame_record(DataFrame)
