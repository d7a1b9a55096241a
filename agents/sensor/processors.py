"""The sensor in a pipeline: a reader that reads once a second, and rolling statistics."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from pipecat.frames.frames import CancelFrame, DataFrame, EndFrame, Frame, StartFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agents.sensor.thermometer import Thermometer

PERIOD_S = 1.0

# A minute of readings.
WINDOW = 60


class Clock(Protocol):
    """Tells a reader when to read; a test's clock is faster than the wall's."""

    async def sleep(self, seconds: float) -> None:
        """Return when so much time has passed."""


class WallClock:
    """The clock that everybody knows."""

    async def sleep(self, seconds: float) -> None:
        """Return when so much time has passed."""
        await asyncio.sleep(seconds)


@dataclass
class SensorReadingFrame(DataFrame):
    """One reading.

    Attributes:
        celsius: What the sensor shows.
    """

    celsius: float


class SensorReader(FrameProcessor):
    """Reads a thermometer once a second, on its own, from the start of the pipeline to its end."""

    def __init__(self, thermometer: Thermometer, clock: Clock) -> None:
        """Prepare; nothing is read yet.

        Args:
            thermometer: What to read.
            clock: Tells when.
        """
        super().__init__(name="sensor-reader")
        self._thermometer = thermometer
        self._clock = clock
        self._reading: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the life of the pipeline.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | CancelFrame):
            await self._stop()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._reading = self.create_task(self._read(), "read")

    async def cleanup(self) -> None:
        """Stop reading, whatever happened before."""
        await super().cleanup()
        await self._stop()

    async def _stop(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            await self.cancel_task(reading)

    async def _read(self) -> None:
        while True:
            await self.push_frame(SensorReadingFrame(self._thermometer.after(PERIOD_S)))
            await self._clock.sleep(PERIOD_S)


@dataclass(frozen=True)
class Summary:
    """What the readings of the last minute come to.

    Attributes:
        readings: How many there are.
        latest_c: The last one.
        min_c: The lowest.
        max_c: The highest.
        mean_c: The mean.
        trend_c_per_min: How they rise or fall: the slope of the line that fits them best.
    """

    readings: int
    latest_c: float
    min_c: float
    max_c: float
    mean_c: float
    trend_c_per_min: float


class SensorStats(FrameProcessor):
    """Keeps the last minute of readings. Readings go no further, as nobody behind wants them."""

    def __init__(
        self, window: int = WINDOW, on_reading: Callable[[float], None] | None = None
    ) -> None:
        """Begin without a reading.

        Args:
            window: How many readings to keep.
            on_reading: Called with every reading; None for nobody.
        """
        super().__init__(name="sensor-stats")
        self._on_reading = on_reading
        self._readings: deque[float] = deque(maxlen=window)
        self._first = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take readings in.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        await super().process_frame(frame, direction)
        if isinstance(frame, SensorReadingFrame):
            self._readings.append(frame.celsius)
            self._first.set()
            if self._on_reading is not None:
                self._on_reading(frame.celsius)
        else:
            await self.push_frame(frame, direction)

    async def summary(self) -> Summary:
        """Sum up the last minute; waits for the first reading."""
        await self._first.wait()
        kept = list(self._readings)
        return Summary(
            readings=len(kept),
            latest_c=round(kept[-1], 2),
            min_c=round(min(kept), 2),
            max_c=round(max(kept), 2),
            mean_c=round(fmean(kept), 2),
            trend_c_per_min=round(slope_of(kept) * 60 / PERIOD_S, 2),
        )


def slope_of(values: list[float]) -> float:
    """Return the slope of the line that fits values best, from one to the next; 0 for one value."""
    middle = (len(values) - 1) / 2
    mean = fmean(values)
    spread = sum((place - middle) ** 2 for place in range(len(values)))
    rise = sum((place - middle) * (value - mean) for place, value in enumerate(values))
    return rise / spread if spread else 0.0
