"""What the embedded model says for Acme."""

from dataclasses import dataclass

from agents.script import BYE, END_CONVERSATION, HELLO, WHO, Reply, Say, Turn, goodbye, mentions


@dataclass(frozen=True)
class Product:
    """One of the three products.

    Attributes:
        name: What it is called.
        known_by: Words that mean it.
        price: What it costs.
        price_usd: The same as a number.
        fact: What it does.
        speed: The answer to how fast it is.
        duration: The answer to how long it lasts.
        power: The answer to what it runs on.
    """

    name: str
    known_by: tuple[str, ...]
    price: str
    price_usd: int
    fact: str
    speed: str
    duration: str
    power: str


PRODUCTS = (
    Product(
        "Acme Rocket Boots",
        ("rocket", "boot", "boots"),
        "$299",
        299,
        "They are jet-powered boots that run up to 60 miles per hour.",
        "They run up to 60 miles per hour.",
        "They last as long as there is fuel; one filling is a good afternoon.",
        "They are jet-powered.",
    ),
    Product(
        "Acme Invisible Paint",
        ("invisible", "paint"),
        "$49 per can",
        49,
        "It makes anything invisible for 24 hours.",
        "It works at once, as soon as it is dry.",
        "It makes things invisible for 24 hours.",
        "It needs no power, only a brush.",
    ),
    Product(
        "Acme Tornado Kit",
        ("tornado", "kit"),
        "$199",
        199,
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
    "how much are all three together",
    "how much are the boots and the paint",
    "how long is the warranty",
    "who are you",
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
WARRANTY = "Everything from Acme has a warranty of two years."
BUYING = "I cannot take orders, I am only a script. But I can tell you what it costs and does."
LOST = (
    "I am only a script, and I did not understand that. "
    "You can ask what our products cost and what they do, or say goodbye."
)

_PRICE = ("how much", "price", "cost", "costs", "expensive", "dollars")
_SPEED = ("fast", "speed", "quick", "miles")
_DURATION = ("how long", "last", "lasts", "hours")
_POWER = ("battery", "batteries", "power", "powered", "fuel", "included")
_TOTAL = ("together", "altogether", "total", "sum")
_ASKED = (*_PRICE, *_SPEED, *_DURATION, *_POWER, *_TOTAL)
_ALL = ("all three", "all of them", "all of it", "everything", "each")
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
    while said and _only_repeats(said[-1]):
        said = said[:-1]
    return Say(_answer(said[-1], said[:-1]) if said else GREETING)


def _only_repeats(text: str) -> bool:
    """Tell whether a text asks for the last answer, and not for another: "the boots again"."""
    asks = _products_in(text) or _asks_something(text)
    return bool(mentions(text, _REPEAT)) and not asks


def _answer(text: str, before: list[str]) -> str:
    if mentions(text, ("warranty", "guarantee")):
        return WARRANTY
    products = _products_in(text)
    if not products:
        general = _general_answer(text)
        if general is not None:
            return general
        products = next((found for found in map(_products_in, reversed(before)) if found), [])
        if not products and mentions(text, ("batteries", "battery")):
            products = [PRODUCTS[2]]
        if not products or not _asks_something(text):
            return LOST
    answers = [BUYING] if mentions(text, ("buy", "order")) else []
    if not answers:
        answers = [_about(product, text, before) for product in products]
    if mentions(text, _TOTAL):
        answers.append(f"Together that is ${sum(product.price_usd for product in products)}.")
    return " ".join(answers)


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
    plural = "cost" if product.name.endswith("Boots") else "costs"
    if mentions(asked, (*_PRICE, *_TOTAL)) or not facts:
        facts.insert(0, f"The {product.name} {plural} {product.price}.")
    if len(facts) == 1 and not mentions(asked, _ASKED):
        facts.append(product.fact)
    return " ".join(facts)


def _general_answer(text: str) -> str | None:
    if mentions(text, ("cheapest", "cheaper", "cheap")):
        return CHEAPEST
    if mentions(text, ("most expensive", "dearest")):
        return DEAREST
    if mentions(text, ("buy", "order")) and not mentions(text, ("what can i buy",)):
        return BUYING
    if mentions(text, _LIST) and not _asks_something(text):
        return LISTING
    if mentions(text, (*HELLO, *WHO)):
        return GREETING
    if mentions(text, ("no", "nothing", "thank you", "thanks", "ok", "okay")):
        return THANKS
    if mentions(text, ("yes", "please")):
        return LISTING
    return None


def _asks_something(text: str) -> bool:
    return bool(mentions(text, _ASKED))


def _products_in(text: str) -> list[Product]:
    """Return the products that a text names, in their own order."""
    if mentions(text, _ALL):
        return list(PRODUCTS)
    return [product for product in PRODUCTS if mentions(text, product.known_by)]
