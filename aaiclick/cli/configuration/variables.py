"""``${NAME}`` in a configuration: the value of an environment variable, so that no secret stands in a file. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from aaiclick.errors import UsageError

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def with_variables(template: str, variables: Mapping[str, str], where: str, url: bool = False) -> str:
    """The text with each ``${NAME}`` replaced; ``$${`` stands for ``${`` itself.

    In a URL the value of a user, a password or an option is encoded, so that ``/``, ``@`` and ``#`` in it mean
    themselves. Raises ``UsageError`` that names every variable that is not set, and shows no value of any.
    """
    missing = [name for name in names(template, where) if name not in variables]
    if missing:
        listed = " and ".join(dict.fromkeys(missing))
        several = len(set(missing)) > 1
        raise UsageError(
            f"{where} takes {listed} from the environment, and {'they are' if several else 'it is'} not set"
        )

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        text = variables[found[1]]
        return quote(text, safe="") if url and _encodes(template[: found.start()], template[found.end() :]) else text

    return _REFERENCE.sub(value, template)


def names(template: str, where: str) -> list[str]:
    """The variables that a text takes. Raises ``UsageError`` where one is not written as ``${NAME}``."""
    found = [match for match in _REFERENCE.finditer(template) if match[0] != "$${"]
    for match in found:
        if match[1] is None:
            raise UsageError(f"{where}: a ${{ has no closing }}. Write ${{NAME}}, or $${{ for the two characters")
        if not _NAME.match(match[1]):
            raise UsageError(
                f"{where}: ${{{match[1]}}} names no environment variable. Write ${{NAME}}; there are no defaults"
            )
    return [match[1] for match in found]


def _encodes(before: str, after: str) -> bool:
    """True where the URL's parts are decoded again: user, password, and what stands behind ``=``."""
    scheme, separator, authority = before.rpartition("://")
    if not separator or scheme.lower().endswith("chdb"):
        return False
    inside = not re.search(r"[/?#]", authority)
    if inside:
        # What stands before the last @ of the host's part is user and password.
        return "@" in re.split(r"[/?#]", _REFERENCE.sub("", after))[0]
    return before.endswith("=")
