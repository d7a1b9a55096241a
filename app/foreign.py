"""Text that others wrote, made fit for a terminal and for a log.

What the other side of a line says, what a recipe calls itself, what a library puts into an error:
none of it is ours. Printed as it comes, it can move the cursor, rename the window, colour what
follows, hide in the wrong direction of writing, or stop the program that prints it.
"""

import re

from rich.markup import escape

# The control characters of ASCII and Latin-1, apart from the tabulator and the line feed; halves of
# surrogate pairs, which cannot be encoded; the controls of the direction of writing.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

_BREAKS = re.compile("[\t\n\u2028\u2029]+")


def plain(text: object, *, lines: bool = False) -> str:
    """Return a text without what a terminal would obey and an encoder would refuse.

    Args:
        text: Anything; what is no string is turned into one.
        lines: Whether line breaks and tabulators stay; otherwise each run of them becomes a space,
            so that nobody can write a line in our name.
    """
    fit = _UNFIT.sub("", str(text))
    return fit if lines else _BREAKS.sub(" ", fit)


def foreign(text: object, *, lines: bool = False) -> str:
    """Return a text as markup that Rich prints literally.

    Args:
        text: Anything that is not ours.
        lines: Whether line breaks and tabulators stay.
    """
    return escape(plain(text, lines=lines))
