"""What the processes of a benchmark call each other, and say."""

from enum import StrEnum

CALLER = "caller"
ASSISTANT = "assistant"
GREETER, SUPPORT = "greeter", "support"

# An assistant of ours that is there without a key, to hold a conversation with.
TALKER = "acme"

# What the greeter says when it is there, what it is asked for, and its words before it leaves.
HELLO = "hello"
HAND_OVER, GOODBYE = "hand over", "goodbye"
LAST_WORDS = ("one", "moment", "please")


class Scene(StrEnum):
    """What a session holds."""

    ECHO = "echo"  # a task without a pipeline that sends every text back
    MODEL = "model"  # a task with the real language model service, never called
    VOICE = "voice"  # the same, and it answers every conversation with ten words in a second
    DESKS = "desks"  # two tasks; the first hands over to the second, or says goodbye
