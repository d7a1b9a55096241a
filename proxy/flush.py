"""Flush probes across a line: the event stays at home, the probe travels.

`PipelineWorker.flush_pipeline` pushes a probe down its pipeline, up again and down once more, and
waits on an event that the probe carries. When the pipeline is bridged, all three legs cross to the
other side's pipeline and back. The event cannot cross; without it the wait runs into its timeout
(ten seconds in Pipecat 1.14, after which the output is cut). A ledger keeps the event here and
puts it back on every leg that returns.

The last leg of a flush ends at the other side, which in the stock dialect has no way to say so.
But it turns every first leg around. So the last leg is sent as one more first leg: when it comes
back, everything ahead of it has been played out there, and the flush is done. A true last leg is
sent behind it, for the other side to forget the flush by.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipecat.frames.frames import PipelineFlushFrame

if TYPE_CHECKING:
    from asyncio import Event

# Flushes happen at handoffs and ends, a few at a time. Those given up by their side are never
# answered; the oldest make room.
MAX_PENDING = 256

Key = tuple[str | None, int]


@dataclass
class _Pending:
    event: "Event"
    confirming: bool = False


class FlushLedger:
    """The flushes that began on this side and are under way on the other."""

    def __init__(self) -> None:
        """Start with no flush under way."""
        self._pending: OrderedDict[Key, _Pending] = OrderedDict()

    def __len__(self) -> int:
        """Count the flushes under way."""
        return len(self._pending)

    def leaving(self, probe: PipelineFlushFrame) -> None:
        """Note a probe that is about to cross.

        Args:
            probe: A probe with the event of its flush, or one of the other side's, which is let be.
        """
        if probe.event is None or _key(probe) in self._pending:
            return
        self._pending[_key(probe)] = _Pending(probe.event)
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)

    def returning(self, probe: PipelineFlushFrame) -> None:
        """Give a probe that came back the event that it left behind."""
        pending = self._pending.get(_key(probe))
        probe.event = None if pending is None else pending.event

    def confirm(self, probe: PipelineFlushFrame) -> PipelineFlushFrame:
        """Turn the last leg of a flush of this side into a first leg that will be answered.

        Args:
            probe: A last leg that is about to cross.

        Returns:
            The probe to send in its place; the probe itself if the flush is not known here.
        """
        pending = self._pending.get(_key(probe))
        if pending is None:
            return probe
        pending.confirming = True
        return PipelineFlushFrame(origin=probe.origin, flush_id=probe.flush_id)

    def answered(self, probe: PipelineFlushFrame) -> PipelineFlushFrame | None:
        """Settle a flush if this is the answer to its confirmation.

        Args:
            probe: A probe that came from the other side.

        Returns:
            The true last leg to send, or None if this probe is on its way elsewhere.
        """
        pending = self._pending.get(_key(probe))
        if pending is None or not pending.confirming:
            return None
        del self._pending[_key(probe)]
        pending.event.set()
        return PipelineFlushFrame(origin=probe.origin, flush_id=probe.flush_id, returning=True)

    def settle_all(self) -> None:
        """Release everyone who waits, when the line is gone and nothing will answer."""
        for pending in self._pending.values():
            pending.event.set()
        self._pending.clear()


def _key(probe: PipelineFlushFrame) -> Key:
    return probe.origin, probe.flush_id
