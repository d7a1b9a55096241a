"""How a benchmark is run."""

from dataclasses import dataclass

from app.bench.report import Peer


@dataclass(frozen=True)
class Options:
    """What the options of every benchmark say.

    Attributes:
        stock: Whether Pipecat's own parts are measured beside ours.
        rounds: How often each peer is measured, in turn; None for the benchmark's own number.
        quick: Whether to measure little, to see that it works.
    """

    stock: bool = True
    rounds: int | None = None
    quick: bool = False

    @property
    def peers(self) -> list[Peer]:
        """Whose parts are measured, in the order of each round."""
        return [Peer.OURS, Peer.STOCK] if self.stock else [Peer.OURS]
