"""What Acme sells, and what helps when it does not work."""

from dataclasses import dataclass

from agents.script import mentions


@dataclass(frozen=True)
class Product:
    """One of the three products.

    Attributes:
        name: What it is called.
        known_by: Words that mean it.
        price: What it costs, as a sentence.
        remedy: What helps when it does not work.
    """

    name: str
    known_by: tuple[str, ...]
    price: str
    remedy: str


PRODUCTS = (
    Product(
        "Rocket Boots",
        ("rocket", "boot", "boots"),
        "The Rocket Boots cost $299.",
        "When Rocket Boots do not start, there is no fuel in them.",
    ),
    Product(
        "Invisible Paint",
        ("invisible", "paint"),
        "The Invisible Paint costs $49 per can.",
        "When Invisible Paint is visible, it is not dry yet.",
    ),
    Product(
        "Tornado Kit",
        ("tornado", "kit"),
        "The Tornado Kit costs $199.",
        "When a Tornado Kit is silent, its batteries are empty.",
    ),
)

_BREAKS = (
    *("broken", "start", "problem", "work", "works", "wrong", "help", "it"),
    *("silent", "is visible"),
)


def breaks(text: str) -> bool:
    """Tell whether a text says that something does not work."""
    return bool(mentions(text, _BREAKS))


def product_in(texts: list[str]) -> Product | None:
    """Return the product of the first text that names one."""
    for text in texts:
        scores = {product.name: len(mentions(text, product.known_by)) for product in PRODUCTS}
        best = max(PRODUCTS, key=lambda product: scores[product.name])
        if scores[best.name]:
            return best
    return None
