"""`python -m tests.unit.import_rules` writes the rules of imports to .importlinter, so that no module is forgotten; a test compares."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("svc_video", "svc_feed", "svc_social", "svc_sound", "svc_rights")
ON_TOP = ("devstack", "bench")
"""They may import everything, and nothing below imports them."""
PACKAGES = ("mesh", "gateway", *ON_TOP, *SERVICES)

ROW_READERS = frozenset({"store", "tables", "session_tables"})
"""Rooms of an area that may name the tables port: the store, and the tables that it keeps."""
WIRING = frozenset({"app", "wiring", "rooms"})
"""Modules that put stores, clients and actions together; they hand the port on."""
ACTIONS = frozenset({"actions", "store"})
"""Rooms that may claim request ids."""

_OF_PURE_RULES = ("grpc", "redis", "mesh.stores", "mesh.events", "mesh.clock", "mesh.client", "mesh.server", "mesh.app", "mesh.backbone")
FOR_OTHERS = frozenset({"errors", "requests", "schema"})
"""Modules of the tables that are no port: errors may be caught anywhere, the other two have rules of their own."""

ENGINE_ROOMS: Mapping[str, frozenset[str]] = {
    "mesh.stores.tables": frozenset({"port", "errors", "requests", "retry", "schema", "tallies"}),
    "mesh.stores.blobs": frozenset({"port", "door", "keys"}),
    "mesh.events.stream": frozenset({"port", "partitions", "settings"}),
}
"""Where engines live, and the modules of each place that know none of them; a package itself chooses the engine by its URL."""
DRIVERS = ("cassandra", "confluent_kafka", "minio", "redis")
URL_PARSERS = tuple(
    ("devstack.stores", parser)
    for parser in ("mesh.events.stream.kafka.url", "mesh.stores.blobs.s3.address", "mesh.stores.tables.cql.address")
)
"""They read an address and open nothing: `clipmesh doctor` and the start check what a setting names before a process is given it."""
ANSWERS_OF_REDIS = ("mesh.stores.protected.redis", "redis")
"""Redis has one engine; its protection tells a script's refusal, which is an answer, from a failure by the driver's class."""

_HEAD = """\
# Written by `python -m tests.unit.import_rules`; a test compares. Edit the rules there.
[importlinter]
root_packages ={packages}
include_external_packages = True
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One rule: none of `sources` imports any of `forbidden`."""

    key: str
    name: str
    sources: tuple[str, ...]
    forbidden: tuple[str, ...]
    direct_only: bool = False
    """True when the rule speaks of what a module itself names; what it names may know more."""
    excepted: tuple[tuple[str, str], ...] = ()
    """Imports that are allowed all the same, as (importer, imported)."""

    def text(self) -> str:
        """As import-linter reads it."""
        lines = [f"[importlinter:contract:{self.key}]", f"name = {self.name}", "type = forbidden"]
        lines += [f"source_modules ={_listed(self.sources)}", f"forbidden_modules ={_listed(self.forbidden)}"]
        if self.direct_only:
            lines.append("allow_indirect_imports = True")
        if self.excepted:
            lines.append(f"ignore_imports ={_listed(' -> '.join(pair) for pair in self.excepted)}")
        return "\n".join(lines) + "\n"


def modules(root: Path = ROOT) -> tuple[str, ...]:
    """Every module of the services by its dotted name, packages not included."""
    paths = itertools.chain.from_iterable((root / service).rglob("*.py") for service in SERVICES)
    names = (".".join(path.relative_to(root).with_suffix("").parts) for path in paths if "__pycache__" not in path.parts)
    return tuple(sorted(name for name in names if not name.endswith("__init__")))


def areas(root: Path = ROOT) -> dict[str, tuple[str, ...]]:
    """The areas of each service."""
    found = {service: sorted(path.parent.name for path in (root / service).glob("*/__init__.py")) for service in SERVICES}
    return {service: tuple(names) for service, names in found.items()}


def contracts(root: Path = ROOT) -> Iterator[Contract]:
    """Every rule of imports that the tree can break."""
    every = modules(root)
    yield Contract(
        key="mesh-knows-nobody",
        name="The mesh imports no service, no gateway, no devstack",
        sources=("mesh",),
        forbidden=tuple(package for package in PACKAGES if package != "mesh"),
    )
    yield Contract(
        key="devstack-on-top",
        name="Nobody below imports devstack or bench",
        sources=tuple(package for package in PACKAGES if package not in ON_TOP),
        forbidden=ON_TOP,
    )
    yield Contract(
        key="the-edge-owns-nothing",
        name="The gateway keeps no rows and sends no events",
        sources=("gateway",),
        forbidden=("mesh.stores.tables", "mesh.backbone", "mesh.events.relay"),
        direct_only=True,
    )
    yield Contract(
        key="tests-stay-outside",
        name="Nothing that serves is made for tests",
        sources=("gateway", *SERVICES),
        forbidden=("mesh.testing",),
    )
    yield Contract(
        key="rules-are-pure",
        name="rules.py decides: no grpc, no store, no clock",
        sources=tuple(module for module in every if module.endswith(".rules")),
        forbidden=_OF_PURE_RULES,
        direct_only=True,
    )
    yield Contract(
        key="media-toolbox",
        name="The media toolbox knows no grpc, no store, no mesh",
        sources=("svc_video.processing.media",),
        forbidden=("grpc", "mesh", "clipmesh"),
    )
    yield _engines(root)
    yield from _rows(every, root)
    yield from _doors(every, root)


def _engines(root: Path) -> Contract:
    engines = [f"{room}.{name}" for room, known in ENGINE_ROOMS.items() for name in _children(room, root) if name not in known]
    mesh = [f"mesh.{name}" for name in _children("mesh", root) if name not in {"stores", "events"}]
    events = [f"mesh.events.{name}" for name in _children("mesh.events", root) if name != "stream"]
    return Contract(
        key="engines-unknown",
        name="Nobody outside of the stores and the stream knows which engine runs",
        sources=("gateway", "devstack", *SERVICES, *mesh, *events, "mesh.stores.protected"),
        forbidden=(*engines, *DRIVERS),
        direct_only=True,
        excepted=(*URL_PARSERS, ANSWERS_OF_REDIS),
    )


def _children(package: str, root: Path) -> list[str]:
    """The modules and packages right below a package."""
    folder = root.joinpath(*package.split("."))
    modules_here = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return sorted(modules_here | {path.parent.name for path in folder.glob("*/__init__.py")})


def _rows(every: tuple[str, ...], root: Path) -> Iterator[Contract]:
    port = {path.stem for path in (root / "mesh" / "stores" / "tables").iterdir() if not path.name.startswith("__")} - FOR_OTHERS
    yield Contract(
        key="rows-through-stores",
        name="Only stores touch the tables port; wiring hands it to them",
        sources=tuple(module for module in every if not _rooms(module) & (ROW_READERS | WIRING)),
        forbidden=tuple(f"mesh.stores.tables.{module}" for module in sorted(port)),
        direct_only=True,
    )
    yield Contract(
        key="rows-in-tables",
        name="Only tables.py declares rows",
        sources=tuple(module for module in every if not any(room.endswith("tables") for room in _rooms(module))),
        forbidden=("mesh.stores.tables.schema",),
        direct_only=True,
    )
    yield Contract(
        key="requests-in-actions",
        name="Only actions claim request ids",
        sources=tuple(module for module in every if not _rooms(module) & (ACTIONS | WIRING)),
        forbidden=("mesh.stores.tables.requests",),
        direct_only=True,
    )


def _doors(every: tuple[str, ...], root: Path) -> Iterator[Contract]:
    for service, names in areas(root).items():
        for area, other in itertools.permutations(names, 2):
            behind = {".".join(module.split(".")[:3]) for module in every if module.startswith(f"{service}.{other}.")}
            yield Contract(
                key=f"{service}-{area}-at-the-door-of-{other}",
                name=f"{service}: {area} meets {other} at its actions only",
                sources=(f"{service}.{area}",),
                forbidden=tuple(sorted(behind - {f"{service}.{other}.actions"})),
                direct_only=True,
            )


def _rooms(module: str) -> set[str]:
    """The names below the service: area, room and what is in it."""
    return set(module.split(".")[1:])


def _listed(names: Iterable[str]) -> str:
    return "".join(f"\n    {name}" for name in names)


def text(root: Path = ROOT) -> str:
    """The whole file."""
    strangers = "[importlinter:contract:services-are-strangers]\nname = Services and the gateway import one another never\n"
    strangers += f"type = independence\nmodules ={_listed(('gateway', *SERVICES))}\n"
    return "\n".join([_HEAD.format(packages=_listed(PACKAGES)), strangers, *(contract.text() for contract in contracts(root))])


if __name__ == "__main__":
    (ROOT / ".importlinter").write_text(text(), encoding="utf-8")
