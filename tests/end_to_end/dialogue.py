"""A long conversation, written down: what the caller says, and what the assistant answers.

No two words of it are alike, so that a lost, repeated or misplaced one cannot hide.
"""

from agents import Call, Reply, Say, Turn

# Ten minutes of talk, at six seconds a turn.
TURNS = 100

GREETING = "Greetings to whoever calls here tonight."
GOODBYE = "Goodbye then."
FAREWELL = "Farewell and come back."

# Every so many turns the answer needs a tool.
TOOL_EVERY = 5


def question(turn: int) -> str:
    """What the caller says, a dozen words."""
    return " ".join(f"ask{turn}.{number}" for number in range(8 + turn % 7))


def answer(turn: int) -> str:
    """What the assistant says to that, some dozens of words."""
    words = [f"say{turn}.{number}" for number in range(30 + turn * 7 % 23)]
    return " ".join([*words, found(turn)] if needs_tool(turn) else words)


def needs_tool(turn: int) -> bool:
    return turn % TOOL_EVERY == 0


def found(turn: int) -> str:
    """What the tool finds."""
    return f"found.in.{turn}"


def script(turn: Turn) -> Reply:
    """Play the assistant, from nothing but what it has heard."""
    if not turn.user_texts:
        return Say(GREETING)
    tool = turn.tool_that_answered()
    said = turn.user_texts[-1]
    if said == GOODBYE:
        return Say(FAREWELL) if tool else [Call("end_conversation")]
    number = int(said.removeprefix("ask").partition(".")[0])
    if needs_tool(number) and tool is None:
        return [Call("look_up", {"number": number})]
    assert tool is None or found(number) in turn.last_text
    return Say(answer(number))
