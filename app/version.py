"""The version of this distribution, from where it is installed."""

from importlib.metadata import version

__version__ = version("trunkline")
