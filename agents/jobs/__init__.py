"""Jobs that leave nobody waiting: their deadlines travel, and a cancellation reaches everyone."""

from agents.jobs.deadline import DEFAULT_TIMEOUT_S, LONGEST_S, REMAINING_S, Deadline
from agents.jobs.errand import OneJob, SeveralJobs
from agents.jobs.serving import Jobs, sequential

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "LONGEST_S",
    "REMAINING_S",
    "Deadline",
    "Jobs",
    "OneJob",
    "SeveralJobs",
    "sequential",
]
