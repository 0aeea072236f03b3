"""What the site has beside docs/: pages made of files that stand elsewhere, and of the code.

Links of docs/ that lead out of it go to the repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import aaiclick
from aaiclick import errors, events

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ELSEWHERE = {"CHANGELOG.md": "versions.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
"""Files of the repository that are pages of the site."""
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)((?:#[^)]*)?)\)")
FENCE = re.compile(r"^```(\w+) [^\n]+$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, the style of the site and its script."""
    from mkdocs.structure.files import File

    pages = {page: (ROOT / name).read_text(encoding="utf-8") for name, page in ELSEWHERE.items()}
    pages |= {"reference.md": _reference(), "schemas.md": _schemas()}
    pages |= {name: (Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("site.css", "site.js")}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to what is no page lead to the repository; words behind the language of a code block are for the tests."""
    home = str(config.repo_url).rstrip("/")
    # A page that is made of a file at the root has its links from there.
    inside = page.file.src_uri not in ELSEWHERE.values()

    def led(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2]
        path = target.removeprefix("../") if inside and target.startswith("../") else target
        if path in ELSEWHERE:
            return f"]({ELSEWHERE[path]}{anchor})"
        if inside and not target.startswith("../"):
            return f"]({'schemas.md' if target == 'schemas' else target}{anchor})"
        if path.startswith("docs/") and path.removesuffix("/") != "docs/schemas":
            return f"]({path.removeprefix('docs/')}{anchor})"
        if path.removesuffix("/") == "docs/schemas":
            return f"](schemas.md{anchor})"
        return f"]({home}/blob/main/{path}{anchor})"

    return FENCE.sub(r"```\1", LINK.sub(led, markdown))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Every page, with what the theme leaves out."""
    return completed(output)


def completed(output: str) -> str:
    """What the theme leaves out: the name of its search, and to ask nothing of elsewhere (how many stars the
    repository has)."""
    named = output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    return named.replace(' data-md-component="source"', "")


def _reference() -> str:
    engines = sorted(name for name in vars(aaiclick)["_SPECS"].split() if name not in aaiclick.__all__)
    lines = [
        "# The Python reference",
        "",
        "Every public name, from its own text. [The Python interface](api.md) shows them in use.",
        "",
    ]
    lines += ["## Names of the package", "", *(f"::: aaiclick.{name}\n" for name in aaiclick.__all__)]
    lines += ["## Engines", "", *(f"::: aaiclick.{name}\n" for name in engines)]
    lines += [
        "## Metrics",
        "",
        "::: aaiclick.metrics.instrument\n",
        "::: aaiclick.metrics.handler\n",
        "::: aaiclick.metrics.otel.instrument\n",
    ]
    lines += ["## Events", "", *(f"::: aaiclick.events.{name}\n" for name in sorted(_classes(events)))]
    lines += ["## Errors", "", *(f"::: aaiclick.errors.{name}\n" for name in sorted(_classes(errors)))]
    return "\n".join(lines)


def _classes(module: object) -> list[str]:
    name = getattr(module, "__name__", "")
    return [key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == name]


def _schemas() -> str:
    names = sorted(path.name for path in (ROOT / "docs" / "schemas").glob("*.json"))
    listed = [f"- [{name}](schemas/{name})" for name in names]
    return "\n".join(
        [
            "# JSON Schemas",
            "",
            "Of every `--json` document, and of a line of `--progress json` ([the command line](cli.md#output)).",
            "",
            *listed,
            "",
        ]
    )
