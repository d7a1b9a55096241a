"""Principals: who may do what."""

import time
from dataclasses import dataclass, field

# Stands for every assistant in a list of them.
ALL = "*"


@dataclass(frozen=True)
class Principal:
    """Somebody who was let in, with their rights.

    Attributes:
        name: Its name; fit for logs.
        assistants: The assistants that it may open; None for every one.
        max_sessions: How many sessions it may have at a time; None for what the settings say.
        admin: Whether it may look at the sessions of others, end them, and drain the server.
        expires_at: When its token or JWT ends, in seconds of the Unix epoch; None for never.
        metrics: Whether it may see what the server counts; administrators may.
        credential: Which token of ours it showed, and nothing with which to show it again; empty
            for a JWT or none.
    """

    name: str
    assistants: frozenset[str] | None = frozenset()
    max_sessions: int | None = None
    admin: bool = False
    expires_at: float | None = None
    metrics: bool = False
    credential: str = field(default="", repr=False, compare=False)

    def may_open(self, assistant: str) -> bool:
        """Tell whether it may have sessions with an assistant, which may not exist.

        Args:
            assistant: The assistant's name.
        """
        return self.assistants is None or assistant in self.assistants

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= time.time()


# Everybody, on a server that asks nobody who they are. Administering it takes a token even there.
ANONYMOUS = Principal("anonymous", None, metrics=True)


def rights_of(assistants: "list[str] | tuple[str, ...]") -> frozenset[str] | None:
    """Read a list of assistants, in which `*` stands for all of them."""
    return None if ALL in assistants else frozenset(assistants)
