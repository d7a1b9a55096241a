"""What the embedded model says for the greeter and for the support agent."""

from agents.handoff.colleague import NOT_TRANSFERRED
from agents.handoff.products import PRODUCTS, Product, breaks, product_in
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
    text_of,
)

TO_SUPPORT = "transfer_to_support"
TO_GREETER = "transfer_to_greeter"

PHRASES = (
    "hello",
    "what do you sell",
    "how much are the rocket boots",
    "how much is the invisible paint",
    "how much is the tornado kit",
    "when are you open",
    "my rocket boots are broken",
    "my rocket boots do not start",
    "my invisible paint does not work",
    "my tornado kit does not work",
    "i need support please",
    "how long is the warranty",
    "can i return the boots",
    "can you repair it",
    "back to reception please",
    "thank you",
    "thank you goodbye",
    "goodbye",
)

GREETING = (
    "Hello, this is the greeter of Acme. I am a script that stands in for a language model. "
    "Ask me what we sell and what it costs, or tell me what is broken."
)
WELCOME_BACK = "This is the greeter again, still a script."
SUPPORT_HERE = "This is support, a script as well."
TRANSFER_TO_SUPPORT = "One moment, I am transferring you to support."
TRANSFER_TO_GREETER = "One moment, I am giving you back to the greeter."
FAREWELL = "Thank you for calling Acme. Goodbye!"
THANKS = "You are welcome. Is there anything else?"
LISTING = (
    "We sell the Rocket Boots for $299, the Invisible Paint for $49 per can, "
    "and the Tornado Kit for $199."
)
HOURS = "We are open from nine to five."
WARRANTY = "The warranty is two years, also for what you bought before it was invented."
RETURNS = "You can return everything within thirty days, if you still find it."
REPAIRS = "We repair everything. Send it in, and you have it back within a week."
NOBODY_THERE = "I am sorry, I could not transfer you, so I am still here. Please try again later."
# The reason of a transfer for what was said in the middle of the one before.
MEANWHILE = "On the way the caller said:"
ASK_GREETER = "What would you like to know?"
ASK_SUPPORT = "What is the problem?"
LOST_GREETER = (
    "I am only a script, and I did not understand that. Ask me what we sell, what it costs, or "
    "when we are open; or ask for support."
)
LOST_SUPPORT = (
    "I am only a script, and I did not understand that. Tell me what is broken, ask for the "
    "warranty, or go back to the greeter."
)

_THANKS = ("thank you", "thanks", "okay", "no", "nothing")
_WANTS_SUPPORT = (
    *("support", "broken", "problem", "repair", "repaired", "return", "warranty", "start"),
    *("technician", "does not work", "do not work", "doesn't work", "help", "complain", "silent"),
    "is visible",
)
_WANTS_GREETER = (
    *("greeter", "reception", "sell", "price", "cost", "costs", "how much", "buy", "order"),
    *("open", "opening", "hours", "go back", "back please"),
)


def greeter_script(turn: Turn) -> Reply:
    """Answer as the greeter.

    Args:
        turn: The conversation so far.
    """
    tool = turn.tool_that_answered()
    if tool == END_CONVERSATION:
        return Say(FAREWELL)
    if tool == TO_SUPPORT:
        owed = _greeter_knows(turn) if _at_once(turn, TO_SUPPORT) else None
        return Say(_joined(owed, TRANSFER_TO_SUPPORT))
    if turn.last_text == NOT_TRANSFERRED:
        return _stays(turn, _greeter_facts_on(turn, _said_meanwhile(turn)))
    if turn.last_role not in ("developer", "system") and turn.user_texts:
        return _greeter_answer(turn, turn.user_texts[-1])
    if not turn.tool_calls(TO_GREETER):
        return Say(GREETING)
    return _greeter_takes_over(turn, _said_meanwhile(turn))


def support_script(turn: Turn) -> Reply:
    """Answer as the support agent.

    Args:
        turn: The conversation so far.
    """
    tool = turn.tool_that_answered()
    if tool == END_CONVERSATION:
        return Say(FAREWELL)
    if tool == TO_GREETER:
        owed = _support_knows(turn, TO_SUPPORT) if _at_once(turn, TO_GREETER) else None
        return Say(_joined(owed, TRANSFER_TO_GREETER))
    if turn.last_text == NOT_TRANSFERRED:
        return _stays(turn, _support_facts_on(turn, _said_meanwhile(turn)))
    if turn.last_role not in ("developer", "system") and turn.user_texts:
        return _support_answer(turn, turn.user_texts[-1])
    return _support_takes_over(turn, _said_meanwhile(turn))


def _greeter_takes_over(turn: Turn, meanwhile: str) -> Reply:
    """Answer what was said on the way, and then what the transfer was for."""
    if mentions(meanwhile, BYE):
        return goodbye(turn, FAREWELL)
    if mentions(meanwhile, _WANTS_SUPPORT) and TO_SUPPORT in turn.tools:
        return (Call(TO_SUPPORT, {"reason": f"{MEANWHILE} {meanwhile}"}),)
    about = [_greeter_facts_on(turn, meanwhile), _greeter_knows(turn)]
    return Say(_joined(WELCOME_BACK, _joined(*about) or ASK_GREETER))


def _support_takes_over(turn: Turn, meanwhile: str) -> Reply:
    if mentions(meanwhile, BYE):
        return goodbye(turn, FAREWELL)
    if mentions(meanwhile, _WANTS_GREETER) and TO_GREETER in turn.tools:
        return (Call(TO_GREETER, {"reason": f"{MEANWHILE} {meanwhile}"}),)
    product = product_in([meanwhile, _reason_for(turn, TO_SUPPORT), *reversed(turn.user_texts)])
    hears = f"I hear that this is about the {product.name}." if product else None
    about = [_support_facts_on(turn, meanwhile), _support_knows(turn, TO_SUPPORT)]
    return Say(_joined(SUPPORT_HERE, hears, _joined(*about) or ASK_SUPPORT))


def _stays(turn: Turn, about: str | None) -> Reply:
    """Say that the transfer has failed, and answer what was said meanwhile."""
    if mentions(_said_meanwhile(turn), BYE):
        return goodbye(turn, FAREWELL)
    return Say(_joined(NOBODY_THERE, about))


def _support_knows(turn: Turn, transfer: str) -> str | None:
    """Return what support knows of that what a transfer was for."""
    return _support_facts_on(turn, _reason_for(turn, transfer))


def _support_facts_on(turn: Turn, text: str) -> str | None:
    product = product_in([text, *reversed(turn.user_texts)]) if breaks(text) else None
    return _support_facts(text, product)


def _at_once(turn: Turn, transfer: str) -> bool:
    """Tell whether the last transfer was for what was said on the way here."""
    return _reason_for(turn, transfer).startswith(MEANWHILE)


def _joined(*parts: str | None) -> str:
    """Join what there is to say, each of it once."""
    return " ".join(dict.fromkeys(part for part in parts if part))


def _greeter_answer(turn: Turn, text: str) -> Reply:
    if mentions(text, BYE):
        return goodbye(turn, FAREWELL)
    if mentions(text, _WANTS_SUPPORT) and TO_SUPPORT in turn.tools:
        return (Call(TO_SUPPORT, {"reason": f"The caller said: {text}"}),)
    if mentions(text, (*HELLO, *WHO, "greeter", "reception")):
        return Say(GREETING)
    about = _greeter_facts_on(turn, text)
    if about is None and mentions(text, _THANKS):
        return Say(THANKS)
    return Say(about or LOST_GREETER)


def _support_answer(turn: Turn, text: str) -> Reply:
    if mentions(text, BYE):
        return goodbye(turn, FAREWELL)
    if mentions(text, _WANTS_GREETER) and TO_GREETER in turn.tools:
        return (Call(TO_GREETER, {"reason": f"The caller said: {text}"}),)
    product = product_in([text, *(reversed(turn.user_texts) if breaks(text) else ())])
    about = _support_facts(text, product)
    if about is None and mentions(text, (*HELLO, *WHO, "support")):
        return Say(f"{SUPPORT_HERE} {ASK_SUPPORT}")
    if about is None and mentions(text, _THANKS):
        return Say(THANKS)
    return Say(about or LOST_SUPPORT)


def _greeter_knows(turn: Turn) -> str | None:
    """Return what the greeter knows of that what the transfer back was for."""
    return _greeter_facts_on(turn, _reason_for(turn, TO_GREETER))


def _greeter_facts_on(turn: Turn, text: str) -> str | None:
    """Return what the greeter knows; "it" is the product that was named last."""
    named = None
    if mentions(text, ("it", "they", "them")) and mentions(text, ("how much", "cost", "price")):
        named = product_in([text, *reversed(turn.user_texts)])
    return named.price if named and not product_in([text]) else _greeter_facts(text)


def _greeter_facts(text: str) -> str | None:
    prices = [product.price for product in PRODUCTS if mentions(text, product.known_by)]
    if prices:
        return " ".join(prices)
    if mentions(text, ("open", "opening", "hours", "close")):
        return HOURS
    if mentions(text, ("sell", "have", "products", "product", "price", "cost", "how much", "buy")):
        return LISTING
    return None


def _support_facts(text: str, product: Product | None) -> str | None:
    if mentions(text, ("warranty", "guarantee")):
        return WARRANTY
    if mentions(text, ("return", "money back")):
        return RETURNS
    if mentions(text, ("repair", "repaired")):
        return REPAIRS
    return product.remedy if product is not None else None


def _reason_for(turn: Turn, transfer: str) -> str:
    """Return why the other has transferred the caller."""
    calls = turn.tool_calls(transfer)
    return str(calls[-1].arguments.get("reason", "")) if calls else ""


def _said_meanwhile(turn: Turn) -> str:
    """Return what the caller said while being transferred, or ""."""
    said: list[str] = []
    for message in reversed(turn.messages):
        if message.get("role") == "user":
            said.insert(0, text_of(message))
        if message.get("role") == "tool":
            break
    return " ".join(said)
