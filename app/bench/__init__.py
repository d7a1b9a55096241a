"""Measuring both ends of the line beside Pipecat's own, in one run on one machine."""
