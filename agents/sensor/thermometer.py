"""A simulated thermometer: a room that follows its target slowly, and a sensor with noise."""

import math
import random
from dataclasses import dataclass, field

# What a room can be heated and cooled to.
MIN_TARGET_C = 5.0
MAX_TARGET_C = 35.0

# The share of the way to the target that the room covers in a second.
MIN_RESPONSE_PER_S = 0.001
MAX_RESPONSE_PER_S = 1.0


@dataclass
class Thermometer:
    """A room and its sensor.

    Attributes:
        temperature_c: How warm the room is.
        target_c: How warm it is to become.
        response_per_s: How fast it follows: the rate of a first-order lag.
        noise_c: The standard deviation of a reading.
        randomness: Where the noise comes from.
    """

    temperature_c: float = 18.0
    target_c: float = 21.0
    response_per_s: float = 0.05
    noise_c: float = 0.05
    randomness: random.Random = field(default_factory=random.Random, repr=False)

    def after(self, seconds: float) -> float:
        """Let time pass, and return a reading.

        Args:
            seconds: How much.
        """
        rest = math.exp(-seconds * self.response_per_s)
        self.temperature_c = self.target_c + (self.temperature_c - self.target_c) * rest
        return self.temperature_c + self.randomness.gauss(0.0, self.noise_c)

    def set_target(self, celsius: float) -> float:
        """Set the target to what is possible next to a wish; returns that."""
        self.target_c = min(max(celsius, MIN_TARGET_C), MAX_TARGET_C)
        return self.target_c

    def set_response(self, per_s: float) -> float:
        """Set the response to what is possible next to a wish; returns that."""
        self.response_per_s = min(max(per_s, MIN_RESPONSE_PER_S), MAX_RESPONSE_PER_S)
        return self.response_per_s
