"""Text from outside, made safe for a terminal."""

__all__ = ["to_plain"]


def to_plain(text: str) -> str:
    r"""Make visible what a terminal would obey, and what would forge a line.

    Headers, servers and file names may hold escape sequences, line ends, and marks
    that turn the direction of text around. They are shown as Python writes them:
    ``\x1b``, ``\n``, ``\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    )
