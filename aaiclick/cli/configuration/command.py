"""``aaiclick config``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from aaiclick.cli.calls import USUAL_POLICY
from aaiclick.cli.configuration.keys import KEYS, VALUES
from aaiclick.cli.configuration.settings import ENVIRONMENT, Settings
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.hooks.declared import EVENTS
from aaiclick.cli.options import Database, Debug, Env, Given, Json, Reference, Url
from aaiclick.cli.output import Json as JsonValue
from aaiclick.cli.schema_reference import DEFAULT
from aaiclick.errors import UsageError

_NOWHERE = "default"


@dataclass(frozen=True, slots=True)
class _Line:
    """One setting: its value as it may be shown, where it is from, and what is wrong with it ('': nothing)."""

    key: str
    value: str
    origin: str
    problem: str = ""


def config(
    *,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    var: Given = None,
    debug: Debug = False,
) -> None:
    """Show what is configured, and where it is said.

    Reads the project's configuration and the environment variables, and shows which value counts for each setting.
    Passwords are not shown. Opens no database and imports no schema.

    Exit code 0, or 2 where the configuration is wrong.
    """
    frame = Frame("config", json, debug, url, database, schema, env, values=tuple(var or ()))
    frame.run(lambda: _config(frame))


def _config(frame: Frame) -> ExitCode:
    settings = frame.settings
    lines = [_line(frame, key) for key in KEYS] + _values(settings)
    notes = [note for note in (settings.overruled(), _written_password(settings)) if note]
    file, chosen = settings.file, settings.environment
    environments = sorted(file.environments) if file is not None else []
    found = [settings.hook(event) for event in EVENTS]
    hooks = [hook for hook in found if hook is not None and hook.command]
    if frame.as_json:
        shown: dict[str, JsonValue] = {
            line.key: {"value": line.value or None, "from": line.origin, "problem": line.problem or None}
            for line in lines
        }
        frame.output.result(
            {
                "file": str(file.path) if file is not None else None,
                "env": chosen.text if chosen is not None else None,
                "environments": environments,
                "settings": shown,
                "hooks": {hook.event: {"command": list(hook.command), "from": hook.origin} for hook in hooks},
                "notes": notes,
            }
        )
    else:
        output = frame.output
        output.say(f"configuration: {file.path}" if file is not None else "no configuration file")
        named = f"{chosen.text} ({chosen.origin})" if chosen is not None else "none"
        if environments:
            output.say(
                f"environment: {named}; there {'is' if len(environments) == 1 else 'are'} {', '.join(environments)}"
            )
        output.table(("setting", "value", "from"), [(line.key, line.value, line.origin) for line in lines], prefix="  ")
        if hooks:
            rows = [(hook.event, shlex.join(hook.command), hook.origin) for hook in hooks]
            output.table(("hook", "command", "from"), rows, prefix="  ")
        for note in notes:
            output.say(f"note: {note}")
        for problem in dict.fromkeys(line.problem for line in lines if line.problem):
            output.say(f"✗ {problem}", "red")
    return ExitCode.ERROR if any(line.problem for line in lines) else ExitCode.DONE


def _line(frame: Frame, key: str) -> _Line:
    from aaiclick.clients.url import mask

    settings = frame.settings
    said = settings.given_value(key)
    origin = said.origin if said is not None else _NOWHERE
    try:
        value, where = _in_force(frame, key, origin)
        return _Line(key, value if key == "url" else settings.as_written(key, value), where)
    except UsageError as error:
        return _Line(key, mask(said.text) if said is not None else "", origin, settings.as_written(key, str(error)))


def _values(settings: Settings) -> list[_Line]:
    """What is said of the schema's variables. Whether it has them is not known without the schema."""
    try:
        return [
            _Line(f"{VALUES}.{name}", settings.as_written(f"{VALUES}.{name}", value.text), value.origin)
            for name, value in settings.values().items()
        ]
    except UsageError as error:
        return [_Line(VALUES, "", _NOWHERE, str(error))]


def _in_force(frame: Frame, key: str, origin: str) -> tuple[str, str]:
    """The value that counts, and where it is from. Raises ``UsageError`` where it is none."""
    from aaiclick.clients.url import mask, parse_url

    match key:
        case "url":
            # The place of the embedded engine where nothing is said is not looked at, only named.
            url = frame.settings.url()
            return (mask(url.text), origin) if url is not None else (mask(frame.default_url()), _NOWHERE)
        case "database":
            found, url = frame.settings.database(), frame.settings.url()
            if found is not None:
                return found.text, found.origin
            within = parse_url(url.text).database if url is not None else None
            return (within, f"url, {url.origin}") if within and url is not None else ("", "the connection's own")
        case "policy":
            policy = frame.chosen_policy(())
            said = frame.settings.value("policy")
            assert policy.level
            return (said.text if said is not None else USUAL_POLICY), origin
        case "keep-old":
            frame.kept_for()
            keep = frame.settings.value("keep-old")
            return (keep.text if keep is not None else "1d"), origin
        case _:
            schema = frame.settings.value(key)
            return (schema.text, origin) if schema is not None else (DEFAULT, "default, in a database of its own")


def _written_password(settings: Settings) -> str:
    """A sentence where a password stands in the file itself; '' where not."""
    said = settings.given_value("url")
    if said is None or said.level < ENVIRONMENT or "${" in said.text:
        return ""
    from aaiclick.clients.url import ServerUrl, parse_url

    try:
        parsed = parse_url(said.text)
    except UsageError:
        return ""
    if not isinstance(parsed, ServerUrl) or not parsed.password:
        return ""
    return f"the url in {said.origin} holds a password: write ${{NAME}} there, and set that environment variable"
