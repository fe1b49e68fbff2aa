"""The operator's page, read by somebody who has nothing else: every command, setting, metric and file that it names is there."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from clipmesh.feed.v1 import feed_service_pb2

from devstack.__main__ import _parser
from gateway.settings import GatewaySettings
from mesh.metrics import METHODS
from svc_feed.settings import FeedSettings
from svc_rights.settings import RightsSettings
from svc_social.settings import SocialSettings
from svc_sound.settings import SoundSettings
from svc_video.processing.worker.settings import WorkerSettings
from svc_video.settings import VideoSettings
from tests.unit.metrics_page import declared

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SETTINGS = (RightsSettings, SocialSettings, SoundSettings, VideoSettings, WorkerSettings, FeedSettings, GatewaySettings)
METRICS = {metric.name: metric for metric in declared()}
SPOKEN_FOR = {"VIDEO": "5", "EVENT": "5", "SERVICE": "feed", "GROUP": "feed.videos", "NAME": "kafka", "PLACE": "place"}
"""What a reader puts in the place of words in capitals."""
SUFFIXES = ("_bucket", "_count", "_sum")


def code() -> list[str]:
    """Every line of a block, and everything between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [*lines, *re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL))]


def commands() -> Iterator[list[str]]:
    """What follows `clipmesh`, once for each of the choices that a line leaves."""
    for line in code():
        if line.startswith("clipmesh ") and "{" not in line:
            words = [SPOKEN_FOR.get(word, word) for word in shlex.split(line.replace("[", " ").replace("]", " "))[1:] if word != "..."]
            choices = next((word.split("|") for word in words if "|" in word), [""])
            for choice in choices:
                yield [choice if "|" in word else word for word in words]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_is_one_that_the_program_takes(words: list[str]) -> None:
    taken = _parser().parse_args(words)
    assert taken.command == words[0]


def test_the_page_speaks_of_every_command() -> None:
    (known,) = [action.choices for action in _parser()._subparsers._group_actions if action.choices]  # type: ignore[union-attr]
    assert {words[0] for words in commands()} | {"bench", "rebuild", "certs"} == set(known)


def test_every_setting_is_one_that_somebody_reads() -> None:
    fields = {f"CLIPMESH_{field.name.upper()}" for kind in SETTINGS for field in dataclasses.fields(kind)}
    sources = "".join(
        path.read_text() for folder in ("mesh", "devstack", "gateway", "tests/servers") for path in (ROOT / folder).rglob("*.py")
    )
    named = set(re.findall(r"CLIPMESH_[A-Z0-9_]+\b(?!\*)", PAGE)) - {"CLIPMESH_"}
    assert {name for name in named if name not in fields and f'"{name}"' not in sources} == set()
    assert len(named) > 20


def test_every_module_and_file_is_there() -> None:
    for module in re.findall(r"python -m ([\w.]+)", PAGE):
        assert find_spec(module) is not None, module
    for path in re.findall(r"`((?:\w+/)+\w+\.(?:py|yaml|md))`", PAGE):
        assert (ROOT / path).is_file(), path
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).is_file(), link


def test_every_metric_that_advice_leads_to_is_there() -> None:
    families = "|".join(sorted({name.partition("_")[0] for name in METRICS}))
    advice = re.sub(r"\w*/[\w/.-]*", " ", PAGE)
    named = {word for word in re.findall(rf"(?<![\w.])(?:{families})_[a-z_]+\b(?!\()", advice) if not word.endswith("_")}
    values = {value for metric in METRICS.values() for allowed in metric.labels.values() for value in allowed}
    unknown = {
        word for word in named - values if word not in METRICS and not (word.endswith(SUFFIXES) and word.rpartition("_")[0] in METRICS)
    }
    assert unknown == set()
    assert set(METRICS) <= named


def alerts() -> list[str]:
    """The expressions of the table of alerts."""
    table = PAGE.partition("<!-- alerts -->")[2].partition("<!-- /alerts -->")[0]
    return re.findall(r"`([^`]+[<>=]=? ?[\d.]+)`", table.replace("\\|", "|"))


@pytest.mark.parametrize("expression", alerts())
def test_every_alert_asks_for_labels_and_values_that_there_are(expression: str) -> None:
    metrics = re.findall(r"clipmesh_([a-z_]+)(?:\{(.*?)\})?", expression)
    assert metrics or expression == "up == 0"
    for name, conditions in metrics:
        metric = METRICS[name.removesuffix("_bucket")]
        assert name.endswith("_bucket") == (metric.kind.value == "histogram")
        for label, value in re.findall(r'(\w+)=~?"([^"]+)"', conditions):
            allowed = metric.labels[label]
            for word in value.split("|"):
                assert word in (allowed if allowed is not METHODS else _methods()), (name, label, word)


def _methods() -> set[str]:
    services = feed_service_pb2.DESCRIPTOR.services_by_name.values()
    return {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
