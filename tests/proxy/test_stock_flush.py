"""A flush of the assistant's pipeline over the stock dialect, leg by leg."""

import asyncio

from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import PipelineFlushFrame
from pipecat.processors.frame_processor import FrameDirection

from proxy.stock_line import StockLine
from tests.proxy.test_stock_line import assistant_end, carried, outgoing, received


class TestFlush:
    """A flush of the assistant's pipeline, leg by leg, against a caller that is stock."""

    def leg(self, line: StockLine, probe: PipelineFlushFrame, direction: FrameDirection) -> None:
        line.send(carried(probe, "assistant", direction))

    def sent_probe(self, line: StockLine) -> PipelineFlushFrame:
        (message,) = outgoing(line)
        assert isinstance(message, BusFrameMessage)
        assert isinstance(message.frame, PipelineFlushFrame)
        return message.frame

    def back(self, line: StockLine, probe: PipelineFlushFrame) -> list[BusMessage]:
        return received(line, carried(probe, "acme", FrameDirection.UPSTREAM))

    def test_it_is_settled_by_the_answer_to_its_last_leg(self) -> None:
        line, event = assistant_end(), asyncio.Event()
        probe = PipelineFlushFrame(event=event, origin="assistant")
        down, up = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM
        self.leg(line, probe, down)
        first = self.sent_probe(line)
        assert first.event is None
        (message,) = self.back(line, first)
        assert isinstance(message, BusFrameMessage)
        assert isinstance(message.frame, PipelineFlushFrame)
        assert message.frame.event is event
        self.leg(line, message.frame, up)
        assert not self.sent_probe(line).returning
        last = PipelineFlushFrame(
            event=event, origin="assistant", flush_id=probe.flush_id, returning=True
        )
        self.leg(line, last, down)
        confirmation = self.sent_probe(line)
        assert not confirmation.returning
        assert not event.is_set()
        assert self.back(line, confirmation) == []
        assert event.is_set()
        assert self.sent_probe(line).returning

    def test_one_of_the_callers_passes_through(self) -> None:
        line = assistant_end()
        theirs = PipelineFlushFrame(origin="acme", flush_id=9, returning=True)
        (message,) = received(line, carried(theirs, "acme"))
        assert isinstance(message, BusFrameMessage)
        line.send(carried(message.frame, "assistant"))
        assert self.sent_probe(line).returning
