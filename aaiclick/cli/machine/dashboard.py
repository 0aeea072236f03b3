"""``aaiclick dashboard``."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

import typer

from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.options import Debug

Alerts = Annotated[bool, typer.Option("--alerts", help="Print the alert rules for Prometheus instead.")]


def dashboard(*, alerts: Alerts = False, debug: Debug = False) -> None:
    """Print a Grafana dashboard for the metrics of this library.

    As JSON, for Grafana's import. --alerts prints rules for Prometheus, as YAML. Needs no database.

    Exit code 0.
    """
    frame = Frame("dashboard", as_json=False, debug=debug, flags=("--alerts",) if alerts else ())
    frame.run(lambda: _print(frame, "alerts.yaml" if alerts else "dashboard.json"))


def _print(frame: Frame, name: str) -> ExitCode:
    frame.output.document((files("aaiclick.metrics") / "files" / name).read_text(encoding="utf-8"))
    return ExitCode.DONE
