"""The operator's page knows every metric."""

from __future__ import annotations

from tests.unit.metrics_page import PAGE, declared, page


def test_the_page_has_every_metric_as_it_is_declared() -> None:
    assert len(declared()) > 20
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.unit.metrics_page"
