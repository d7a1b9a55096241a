"""The door: who may come in, decided before a socket is accepted.

Every refusal is an HTTP answer with a problem document, so that a client learns why.
"""

from starlette.requests import HTTPConnection

from app.processes.ledger import Ledger
from app.server.identity import Identity, Principal
from app.server.identity.wrong import NO_METRICS, NOT_ADMIN, NOT_ALLOWED
from app.server.origins import OriginRules
from app.server.refusal import TurnedAwayError
from app.settings import Settings


class Door:
    """Checks from which pages browsers come, who is there, and what they may do.

    Attributes:
        identity: Tells who is there.
    """

    def __init__(self, settings: Settings, ledger: Ledger | None = None) -> None:
        """Read what is valid.

        Args:
            settings: The settings.
            ledger: What is shared with other processes; None if there are none.

        Raises:
            SettingsError: If a file that they name cannot be used.
        """
        self.identity = Identity(settings, ledger)
        self._origins = OriginRules(settings.allowed_origins, loopback_only=not settings.guarded)

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuse pages of strangers, for what is open to everybody else.

        Args:
            connection: A request that was not answered yet.

        Raises:
            TurnedAwayError: 403 from a page that may not connect.
        """
        self._origins.check(connection)

    async def admit(self, connection: HTTPConnection) -> Principal:
        """Tell who is at the door.

        Args:
            connection: A request that was not answered yet.

        Raises:
            TurnedAwayError: 403 from a page that may not connect, else see `Identity.identify`.
        """
        self._origins.check(connection)
        return await self.identity.identify(connection)

    async def admit_to(self, connection: HTTPConnection, assistant: str) -> Principal:
        """Tell who wants to talk to an assistant; tickets count here, too.

        Args:
            connection: A WebSocket that was not accepted yet.
            assistant: Whom it asks for; there may be no such assistant.

        Raises:
            TurnedAwayError: As `admit`; 403 also if it is not theirs to open.
        """
        self._origins.check(connection)
        principal = await self.identity.identify(connection, assistant)
        self.check_right(principal, assistant)
        return principal

    async def admit_admin(self, connection: HTTPConnection) -> Principal:
        """Tell who wants to administer the server.

        Args:
            connection: A request that was not answered yet.

        Raises:
            TurnedAwayError: As `admit`; 403 also without the rights.
        """
        principal = await self.admit(connection)
        if not principal.admin:
            raise TurnedAwayError(NOT_ADMIN)
        return principal

    async def admit_observer(self, connection: HTTPConnection) -> Principal:
        """Tell who wants to see what the server counts.

        Args:
            connection: A request that was not answered yet.

        Raises:
            TurnedAwayError: As `admit`; 403 also without the right.
        """
        principal = await self.admit(connection)
        if not (principal.metrics or principal.admin):
            raise TurnedAwayError(NO_METRICS)
        return principal

    def check_right(self, principal: Principal, assistant: str) -> None:
        """Refuse what a principal may not open, whether it exists or not.

        Args:
            principal: Who.
            assistant: What.

        Raises:
            TurnedAwayError: 403.
        """
        if not principal.may_open(assistant):
            raise TurnedAwayError(NOT_ALLOWED)
