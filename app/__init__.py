"""The programs: the session server, the local bot, the console, and the command line."""

from importlib.metadata import version

__version__ = version("trunkline")
