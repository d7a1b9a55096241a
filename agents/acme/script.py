"""What the embedded model says for Acme."""

from dataclasses import dataclass

from agents.script import BYE, END_CONVERSATION, HELLO, Reply, Say, Turn, goodbye, mentions


@dataclass(frozen=True)
class Product:
    """One of the three products.

    Attributes:
        name: What it is called.
        known_by: Words that mean it.
        price: What it costs.
        fact: What it does.
        speed: The answer to how fast it is.
        duration: The answer to how long it lasts.
        power: The answer to what it runs on.
    """

    name: str
    known_by: tuple[str, ...]
    price: str
    fact: str
    speed: str
    duration: str
    power: str


PRODUCTS = (
    Product(
        "Acme Rocket Boots",
        ("rocket", "boot", "boots"),
        "$299",
        "They are jet-powered boots that run up to 60 miles per hour.",
        "They run up to 60 miles per hour.",
        "They last as long as there is fuel; one filling is a good afternoon.",
        "They are jet-powered.",
    ),
    Product(
        "Acme Invisible Paint",
        ("invisible", "paint"),
        "$49 per can",
        "It makes anything invisible for 24 hours.",
        "It works at once, as soon as it is dry.",
        "It makes things invisible for 24 hours.",
        "It needs no power, only a brush.",
    ),
    Product(
        "Acme Tornado Kit",
        ("tornado", "kit"),
        "$199",
        "It is a portable tornado generator, batteries included.",
        "It is as fast as a tornado, so stand back.",
        "One set of batteries is good for one tornado.",
        "The batteries are included.",
    ),
)

PHRASES = (
    "hello",
    "hi there",
    "what products do you have",
    "what do you sell",
    "what can i buy",
    "how much are the rocket boots",
    "how much do the boots cost",
    "what do the rocket boots cost",
    "tell me about the rocket boots",
    "how fast are the rocket boots",
    "how fast can the boots go",
    "how much is the invisible paint",
    "how much does the invisible paint cost",
    "tell me about the invisible paint",
    "how long does the paint last",
    "how much is the tornado kit",
    "what is the price of the tornado kit",
    "tell me about the tornado kit",
    "does the tornado kit need batteries",
    "are batteries included",
    "and the paint",
    "and the tornado kit",
    "and the boots",
    "what is the cheapest product",
    "which one is the most expensive",
    "can you say that again",
    "please repeat that",
    "i want to buy the rocket boots",
    "yes please",
    "no thank you",
    "thank you",
    "thank you goodbye",
    "thanks bye",
    "that's all for now goodbye",
    "goodbye",
    "bye bye",
)

GREETING = (
    "Hello, and welcome to Acme. I am a script that stands in for a language model. "
    "Ask me about the Rocket Boots, the Invisible Paint, or the Tornado Kit."
)
LISTING = (
    "We have the Rocket Boots for $299, the Invisible Paint for $49 per can, "
    "and the Tornado Kit for $199. Which one would you like to hear about?"
)
CHEAPEST = "The Invisible Paint is the cheapest, at $49 per can."
DEAREST = "The Rocket Boots are the most expensive, at $299."
FAREWELL = "Thank you for calling Acme. Goodbye!"
THANKS = "You are welcome. Is there anything else you would like to know?"
BUYING = "I cannot take orders, I am only a script. But I can tell you what it costs and does."
LOST = (
    "I am only a script, and I did not understand that. "
    "You can ask what our products cost and what they do, or say goodbye."
)

_PRICE = ("how much", "price", "cost", "costs", "expensive", "dollars")
_SPEED = ("fast", "speed", "quick", "miles")
_DURATION = ("how long", "last", "lasts", "hours")
_POWER = ("battery", "batteries", "power", "powered", "fuel", "included")
_LIST = ("products", "product", "sell", "have", "offer", "catalogue", "which", "what can i buy")
_REPEAT = ("again", "repeat", "pardon", "come again")


def assistant_script(turn: Turn) -> Reply:
    """Answer as Acme's assistant.

    Args:
        turn: The conversation so far.
    """
    if turn.tool_that_answered() == END_CONVERSATION:
        return Say(FAREWELL)
    said = turn.user_texts
    if turn.last_role in ("developer", "system") or not said:
        return Say(GREETING)
    text = said[-1]
    if mentions(text, BYE):
        return goodbye(turn, FAREWELL)
    if mentions(text, _REPEAT):
        return Say(_answer(said[-2], said[:-2]) if len(said) > 1 else GREETING)
    return Say(_answer(text, said[:-1]))


def _answer(text: str, before: list[str]) -> str:
    product = _product_in(text)
    if product is None:
        general = _general_answer(text)
        if general is not None:
            return general
        product = next((found for found in map(_product_in, reversed(before)) if found), None)
        if product is None and mentions(text, ("batteries", "battery")):
            product = PRODUCTS[2]
        if product is None or not _asks_something(text):
            return LOST
    return _about(product, text, before)


def _about(product: Product, text: str, before: list[str]) -> str:
    asked = text if _asks_something(text) else f"{text} {before[-1] if before else ''}"
    facts = [
        fact
        for asks, fact in (
            (_SPEED, product.speed),
            (_DURATION, product.duration),
            (_POWER, product.power),
        )
        if mentions(asked, asks)
    ]
    if mentions(text, ("buy", "order")):
        return BUYING
    plural = "cost" if product.name.endswith("Boots") else "costs"
    if mentions(asked, _PRICE) or not facts:
        facts.insert(0, f"The {product.name} {plural} {product.price}.")
    if len(facts) == 1 and not mentions(asked, (*_PRICE, *_SPEED, *_DURATION, *_POWER)):
        facts.append(product.fact)
    return " ".join(facts)


def _general_answer(text: str) -> str | None:
    if mentions(text, ("cheapest", "cheap")):
        return CHEAPEST
    if mentions(text, ("most expensive", "dearest")):
        return DEAREST
    if mentions(text, ("buy", "order")) and not mentions(text, ("what can i buy",)):
        return BUYING
    if mentions(text, _LIST) and not _asks_something(text):
        return LISTING
    if mentions(text, HELLO):
        return GREETING
    if mentions(text, ("no", "nothing", "thank you", "thanks")):
        return THANKS
    if mentions(text, ("yes", "please", "okay")):
        return LISTING
    return None


def _asks_something(text: str) -> bool:
    return bool(mentions(text, (*_PRICE, *_SPEED, *_DURATION, *_POWER)))


def _product_in(text: str) -> Product | None:
    scores = {product.name: len(mentions(text, product.known_by)) for product in PRODUCTS}
    best = max(PRODUCTS, key=lambda product: scores[product.name])
    return best if scores[best.name] else None
