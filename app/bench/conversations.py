"""Conversations to measure with: the sentences of a support call, over and over."""

from typing import Any

_USER = (
    "How much are the rocket boots?",
    "And how long does the invisible paint last, if I use two cans of it?",
    "Does the tornado kit need batteries?",
    "Can I have it delivered on Friday?",
)
_ASSISTANT = (
    "Acme Rocket Boots cost $299. They are jet-powered and run up to 60 miles an hour.",
    "One can of Acme Invisible Paint makes anything invisible for 24 hours, so two last 48.",
    "No, the batteries are included.",
    "Yes. If you order today, it will be with you on Friday before noon.",
)


def conversation(length: int) -> list[Any]:
    """Return a system prompt and turns, so many messages in all.

    Args:
        length: How many messages.
    """
    prompt = {"role": "system", "content": "You are a friendly assistant for Acme Corp."}
    return [prompt, *(turn_message(index) for index in range(length - 1))]


def turn_message(index: int) -> Any:
    """Return the message at one place of a conversation, the user's and the assistant's in turn."""
    role, lines = ("user", _USER) if index % 2 == 0 else ("assistant", _ASSISTANT)
    return {"role": role, "content": f"{index}: {lines[index // 2 % len(lines)]}"}
