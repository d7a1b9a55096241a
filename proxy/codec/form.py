"""What the two dialects write differently: how a value that JSON or msgpack lacks is marked.

A `Kind` checks a value and takes it apart; a `Form` says how the parts are laid out. Both are the
same for every line of a process and hold no state.
"""

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.codec.records import Record


class Form(ABC):
    """The layout of one dialect.

    Implementations: `proxy.codec.stock.StockForm`, `proxy.codec.binary.BinaryForm`.
    """

    @abstractmethod
    def write_bytes(self, value: bytes) -> Any:
        """Write raw bytes."""

    @abstractmethod
    def read_bytes(self, wire: Any, where: str) -> bytes | None:
        """Read raw bytes; None if it is something else."""

    @abstractmethod
    def write_member(self, member: Enum) -> Any:
        """Write a member of an enum."""

    @abstractmethod
    def read_member(self, wire: Any, enum: type[Enum]) -> Enum | None:
        """Read a member of an enum; None if it is something else."""

    @abstractmethod
    def write_as(self, cls: type, data: Any) -> Any:
        """Write the parts of a value whose class follows from where it stands."""

    @abstractmethod
    def read_as(self, wire: Any, cls: type, where: str) -> Any:
        """Read the parts of a value whose class follows from where it stands.

        Raises:
            CodecError: If it is marked as something else.
        """

    @abstractmethod
    def write_one_of(self, cls: type, data: Any) -> Any:
        """Write the parts of a value whose class is one of several."""

    @abstractmethod
    def read_one_of(self, wire: Any, where: str) -> tuple[str, Any]:
        """Read the class and the parts of a value whose class is one of several.

        Returns:
            The class's name in this form, and the parts.

        Raises:
            CodecError: If no class is given.
        """

    @abstractmethod
    def name_of(self, cls: type) -> str:
        """Return the name of a class in this form."""

    @abstractmethod
    def write_specific(self, llm: str, message: Any, *, in_context: bool) -> Any:
        """Write a message in the form of one vendor.

        Args:
            llm: The vendor's name in Pipecat.
            message: The message, written already.
            in_context: Whether it stands inside a whole conversation.
        """

    @abstractmethod
    def read_specific(self, wire: Any) -> tuple[Any, Any] | None:
        """Read a message in the form of one vendor; None if it is an ordinary one."""

    @abstractmethod
    def write_frame_id(self, frame_id: int) -> int:
        """Write a frame's id, below zero where the frame is the other side's."""

    @abstractmethod
    def read_frame_id(self, wire: int) -> int | None:
        """Read a frame's id into the range of its side; None if it cannot be one."""

    @abstractmethod
    def write_record(self, record: "Record", value: Any) -> Any:
        """Write the fields of a record.

        Raises:
            CodecError: If a field does not fit.
        """

    @abstractmethod
    def read_record(self, record: "Record", data: Any) -> Any:
        """Build an instance from the fields of a record.

        Raises:
            CodecError: If a field is missing or does not fit. Unknown fields are ignored, as a
                newer Pipecat may have more.
        """
