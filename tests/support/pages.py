"""A page of docs/ as a session at a terminal: its files are written, its commands run, and what they print is compared
(``...`` stands for anything). In a block ``console terminal`` the command is at a terminal, and what stands behind
``[y/N]`` is typed."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from tests.cli.processes import at_terminal
from tests.support.resident import resident

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```(\w+)(?: (\w+)(?:=(\S+))?)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"((?:[A-Z_]+=(?:'[^']*'|\S+) )*)aaiclick ")


def environment() -> dict[str, str]:
    """Of a user who has set nothing."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AAICLICK_")}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def play(page: Path, folder: Path, most: int = 1000) -> int:
    """Do what the page says in ``folder``, until ``most`` commands were run at least; how many it were."""
    env = environment()
    commands = 0
    for kind, action, name, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if action == "file":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(body, encoding="utf-8")
        elif action == "replace":
            old, new = body.strip().split(" -> ")
            text = (folder / name).read_text(encoding="utf-8")
            assert text.count(old) == 1
            (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        elif action == "run":
            done = resident().python(body, folder, env)
            assert done.code == 0, done.stderr
        elif kind == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                commands += 1
                if action == "terminal":
                    typed_transcript(command, shown, folder, env)
                else:
                    transcript(command, shown, folder, env)
        if commands >= most:
            break
    return commands


def matches(shown: str, got: str) -> bool:
    """Line by line; a line ``...`` stands for any number of lines, ``...`` within one for anything in it."""
    pattern = "".join(
        r"(?:.*\n)*?"
        if line.strip() == "..."
        else re.sub(r"\\\.\\\.\\\.(?:\\ )*", ".*", re.escape(line)) + r"[^\S\n]*\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, got if got.endswith("\n") or not got else got + "\n") is not None


def transcript(command: str, shown: str, folder: Path, env: dict[str, str]) -> None:
    expected, shown = _exit_code(shown)
    call = CALL.match(command)
    assert call is not None, command
    words, into, errors_into = _words(command[call.end() :])
    done = resident().aaiclick(words, folder, {**env, **_assigned(call[1])})
    assert done.code == expected, f"$ {command}\n{done.stdout}{done.stderr}"
    # What went wrong stands on stderr, and is all that a reader sees then.
    got = done.stdout if done.code == 0 or done.stdout else done.stderr
    if into:
        (folder / into).write_text(done.stdout, encoding="utf-8")
        got = ""
    if errors_into:
        (folder / errors_into).write_text(done.stderr, encoding="utf-8")
    assert matches(shown.rstrip("\n"), got), f"$ {command}\n{got}\n--- shown:\n{shown}{done.stderr}"


def _words(text: str) -> tuple[list[str], str, str]:
    """What a shell makes of it, and the file that the output goes to, or (``2>``) the errors. Other things that a shell
    does no page needs."""
    lexed = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexed.whitespace_split = True
    words = list(lexed)
    into = words.pop() if len(words) > 1 and words[-2] == ">" else ""
    if into:
        words.pop()
    errors_into = ""
    if into and words[-1] == "2":
        into, errors_into = "", into
        words.pop()
    assert not any(word in (">", ">>", "<", "|", "||", "&", "&&", ";", "(", ")") for word in words), text
    return words, into, errors_into


def _assigned(text: str) -> dict[str, str]:
    """The variables in front of a command."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def typed_transcript(command: str, shown: str, folder: Path, env: dict[str, str]) -> None:
    expected, shown = _exit_code(shown)
    answers = "".join(f"{answer}\n" for answer in re.findall(r"\[y/N\] (\w+)$", shown, re.MULTILINE))
    call = CALL.match(command)
    assert call is not None, command
    words = [sys.executable, "-m", "aaiclick", *shlex.split(command[call.end() :])]
    code, got = at_terminal(words, folder, {**env, "TERM": "dumb", "COLUMNS": "200"}, answers)
    # The terminal shows what is typed at once, and the question when it is asked.
    got = got.replace(answers, "", 1) if answers and got.startswith(answers) else got
    got = got.replace("[y/N] ", f"[y/N] {answers}", 1)
    assert code == expected, f"$ {command}\n{got}"
    assert matches(shown.rstrip("\n"), got), f"$ {command}\n{got}\n--- shown:\n{shown}"


def _exit_code(shown: str) -> tuple[int, str]:
    found = re.search(r"^\[exit code (\d+)\]\n", shown, re.MULTILINE)
    return (int(found.group(1)), shown.replace(found.group(), "")) if found is not None else (0, shown)
