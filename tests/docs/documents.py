"""The parts of the project's Markdown pages that tests look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_WHERE = ("*.md", "docs/*.md", "examples/*.md", "examples/*/*.md", "jobs/*.md")
PAGES = tuple(sorted(page for pattern in _WHERE for page in ROOT.glob(pattern)))

SHELL = ("console", "sh", "bash")

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_TOOLS = ("aws", "docker", "gcloud", "make", "pulumi", "python", "uv")
# A tool where a command can begin: at the start, in a pipe or list, in a substitution, after a loop's keyword.
_COMMAND = re.compile(rf"(?:^|\|\|?|&&|;|\$\(|\bdo\b)\s*(?P<command>(?:{'|'.join(_TOOLS)})\b[^|;)]*)")


@dataclass(frozen=True)
class Fence:
    """A fenced block, without the indentation of the list that it stands in."""

    page: Path
    info: str
    body: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def script(self) -> str:
        """The shell text of a block: without prompts, and without the output that a `console` block shows."""
        if self.language != "console":
            return self.body
        lines, going_on = [], False
        for line in self.body.splitlines():
            if going_on or line.startswith("$ "):
                lines.append(line.removeprefix("$ "))
                going_on = line.endswith("\\")
        return "\n".join(lines) + "\n"

    @property
    def commands(self) -> list[str]:
        """Every call of a tool, on one line, the way CI would write it."""
        found = []
        for line in self.script.replace("\\\n", " ").splitlines():
            plain = re.sub(r"\s#\s.*", "", line).strip().replace(".venv/bin/python", "python")
            found += [" ".join(match["command"].removeprefix("uv run ").split()) for match in _COMMAND.finditer(plain)]
        return found


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fences(page: Path) -> list[Fence]:
    found = []
    for match in _FENCE.finditer(text(page)):
        indent = match["indent"]
        body = "".join(line.removeprefix(indent) for line in match["body"].splitlines(keepends=True))
        found.append(Fence(page, match["info"].strip(), body))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def headings(page: Path) -> list[str]:
    return [match["title"] for match in _HEADING.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """What a link to the page may name after #: slugs of headings as GitHub makes them, and explicit ids."""
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings(page)}
    return slugs | set(_ANCHOR.findall(text(page)))


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def codes(page: Path) -> list[str]:
    """What stands between single backticks."""
    return _CODE.findall(prose(page))


def table(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table after a heading, without its head."""
    after = prose(page).split(f"## {heading}\n", 1)[1]
    rows = [line for line in after.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
