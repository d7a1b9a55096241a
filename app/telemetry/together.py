"""The metrics of several processes as those of one server, with the process as a label."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel

PROCESS_LABEL = "process"


class Sampled(BaseModel):
    """One number.

    Attributes:
        name: Its name.
        labels: Its labels.
        value: The number.
    """

    name: str
    labels: dict[str, str]
    value: float


class Family(BaseModel):
    """Numbers that belong together.

    Attributes:
        name: Their name.
        documentation: What they are.
        type: What kind, as Prometheus has it.
        samples: The numbers.
    """

    name: str
    documentation: str
    type: str
    samples: list[Sampled]


class Exposition(BaseModel):
    """What one process exposes.

    Attributes:
        families: Everything.
    """

    families: list[Family]


def exposition_of(registry: CollectorRegistry) -> Exposition:
    """Read everything that a process exposes.

    Args:
        registry: Its registry.
    """
    return Exposition(
        families=[
            Family(
                name=metric.name,
                documentation=metric.documentation,
                type=metric.type,
                samples=[
                    Sampled(name=sample.name, labels=dict(sample.labels), value=sample.value)
                    for sample in metric.samples
                ],
            )
            for metric in registry.collect()
        ]
    )


class Together(Collector):
    """The metrics of all processes, for a registry of their own."""

    def __init__(self, by_place: Mapping[int, Exposition]) -> None:
        """Hold them.

        Args:
            by_place: What each process exposes, by its place.
        """
        self._by_place = by_place

    def collect(self) -> Iterator[Metric]:
        """Give everything, a family once, with the process in its labels."""
        found: dict[str, Metric] = {}
        for place, exposition in sorted(self._by_place.items()):
            for family in exposition.families:
                metric = found.get(family.name)
                if metric is None:
                    metric = Metric(family.name, family.documentation, family.type)
                    found[family.name] = metric
                for sample in family.samples:
                    labels = {PROCESS_LABEL: str(place), **sample.labels}
                    metric.add_sample(sample.name, labels, sample.value)
        yield from found.values()


class _WithProcesses(Collector):
    """What a registry exposes, and how many processes are how."""

    def __init__(self, registry: CollectorRegistry, counts: Mapping[str, int]) -> None:
        self._registry = registry
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        processes = GaugeMetricFamily(
            "trunkline_processes", "Processes of the server, by how they are.", labels=["state"]
        )
        for state, count in self._counts.items():
            processes.add_metric([state], count)
        yield processes


def with_processes(registry: CollectorRegistry, counts: Mapping[str, int]) -> CollectorRegistry:
    """Make a registry that exposes what another one does, and how the processes are.

    Args:
        registry: The other one.
        counts: How many processes are how.
    """
    found = CollectorRegistry(auto_describe=False)
    found.register(_WithProcesses(registry, counts))
    return found


def registry_of(by_place: Mapping[int, Exposition]) -> CollectorRegistry:
    """Make a registry that exposes what all processes do.

    Args:
        by_place: What each of them exposes, by its place.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Together(by_place))
    return registry
