"""What the embedded model says to the caller of the code assistant."""

from typing import Any

from agents.script import (
    BYE,
    END_CONVERSATION,
    HELLO,
    WHO,
    Call,
    Reply,
    Say,
    Turn,
    goodbye,
    mentions,
)

ASK_CODE = "ask_code"

GREETING = (
    "Hello. I answer questions about a software project by reading its files. I am only a script. "
    "What would you like to know?"
)
FAREWELL = "Thank you for asking. Goodbye!"
THANKS = "You are welcome. What else would you like to know about the project?"
SORRY = "I am sorry, I could not read the project just now. Please try again."

PHRASES = (
    "hello",
    "what does the main module do",
    "find all todo comments in the project",
    "find todo comments",
    "how is error handling implemented",
    "what dependencies does this project use",
    "which dependencies does the project have",
    "explain the test structure",
    "how are the tests organized",
    "what files are there",
    "what is the project about",
    "how many files are there",
    "and what does it do",
    "tell me more",
    "show me more",
    "thank you",
    "thank you goodbye",
    "goodbye",
    "bye bye",
)

_THANKS = ("thank you", "thanks", "no thank you", "nothing")

# A longer sentence with a greeting in it is a question.
_SHORT = 4


def assistant_script(turn: Turn) -> Reply:
    """Pass questions on, and say what comes back.

    Args:
        turn: The conversation so far.
    """
    answered = turn.tool_that_answered()
    if answered == END_CONVERSATION:
        return Say(FAREWELL)
    if answered == ASK_CODE:
        return Say(" ".join(map(_answer, turn.since_user.results(ASK_CODE))) or SORRY)
    said = turn.user_texts
    if turn.last_role in ("developer", "system") or not said:
        return Say(GREETING)
    text = said[-1]
    if mentions(text, BYE):
        return goodbye(turn, FAREWELL)
    if len(text.split()) <= _SHORT and mentions(text, _THANKS):
        return Say(THANKS)
    if len(text.split()) <= _SHORT and mentions(text, (*HELLO, *WHO)):
        return Say(GREETING)
    return (Call(ASK_CODE, {"question": text}),)


def _answer(told: Any) -> str:
    answer = told.get("answer") if isinstance(told, dict) else None
    return answer if isinstance(answer, str) and answer else SORRY
