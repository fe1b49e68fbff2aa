"""Writes the table of metrics in docs/operations.md from their declarations: `python -m tests.unit.metrics_page`."""

from __future__ import annotations

import importlib
from pathlib import Path

from mesh.metrics import Metric

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- metrics -->\n", "<!-- /metrics -->"


def declared() -> list[Metric]:
    """Every metric of every process, by name."""
    found: dict[str, Metric] = {}
    for path in sorted(ROOT.glob("*/**/*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if name.startswith(("mesh.", "gateway.", "svc_")) and (path.stem == "metrics" or "= Metric(" in path.read_text(encoding="utf-8")):
            found |= {value.name: value for value in vars(importlib.import_module(name)).values() if isinstance(value, Metric)}
    return [found[name] for name in sorted(found)]


def page() -> str:
    """The page as it should be."""
    rows = "".join(f"| `{metric.name}` | {metric.kind.value} | {metric.help} | {metric.when_it_moves} |\n" for metric in declared())
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n| metric | kind | what it counts | when it moves |\n|---|---|---|---|\n{rows}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
