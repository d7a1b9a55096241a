"""One session over several connections: what is kept, what is told, and who is let in again."""

from collections.abc import Sequence

from pipecat.frames.frames import Frame, LLMTextFrame, TextFrame

from proxy.handshake import TrunkOptions
from tests.proxy.memory_link import MemoryLink

SMALL = TrunkOptions(window_bytes=2048)


def texts(frames: Sequence[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TextFrame | LLMTextFrame)]


def test_a_window_that_was_full_is_open_again_right_after_the_line_is_back() -> None:
    """What told so may have been lost with the connection, and nobody says it twice."""
    link = MemoryLink(caller=SMALL, assistant=SMALL)
    link.connect()
    for number in range(8):
        link.caller.send(TextFrame(f"{number}" * 400))
    link.pump(link.caller)
    assert len(link.to_assistant) < 8
    link.arrive(link.assistant, 100)
    link.pump(link.assistant)  # the acknowledgement goes out, and is lost
    link.cut()
    link.connect()
    assert len(texts(link.assistant.frames)) == 8
