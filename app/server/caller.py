"""Who is calling, as the door found out."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Caller:
    """Who is calling.

    Attributes:
        principal: The name under which the door let them in.
        metadata: What they say of themselves.
        traceparent: What their request said of the trace that it is part of; a hello goes before.
        has_screen: Whether their request asked for what is for a screen, with the stock dialect.
    """

    principal: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    traceparent: str | None = None
    has_screen: bool = False
