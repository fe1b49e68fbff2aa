"""Where services are: what CLIPMESH_<SERVICE>_ADDRESS may say, and what gRPC makes of it; and which network a client is in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network


class NoAddress(ValueError):
    """The address of a service is not set or not one we can dial; the text names the variable."""


def address_of(service: str, addresses: Mapping[str, str] | None = None) -> str:
    """The address of a service among `addresses`; None reads the environment. Raises NoAddress."""
    variable = f"CLIPMESH_{service.upper().replace('-', '_')}_ADDRESS"
    address = os.environ.get(variable, "") if addresses is None else addresses.get(service, "")
    if not address:
        raise NoAddress(f"{variable} is not set; `clipmesh up` sets it, a deployment has to")
    return address


def target_of(service: str, address: str) -> str:
    """The gRPC target of an address: unix:PATH, a DNS name with port, or a list of IP addresses with ports or of sockets."""
    parts = [part.strip() for part in address.split(",") if part.strip()]
    if len(parts) == 1:
        return parts[0]
    if all(part.startswith("unix:") for part in parts):
        return "unix:" + ",".join(part.removeprefix("unix:") for part in parts)
    if all(part.rpartition(":")[0].replace(".", "").isdecimal() for part in parts):
        return "ipv4:" + ",".join(parts)
    if all(part.startswith("[") for part in parts):
        return "ipv6:" + ",".join(parts)
    raise NoAddress(
        f"the address list of {service} has to hold IP addresses with ports of one family, or sockets, or be one DNS name: {address!r}"
    )


def may_be_several(target: str) -> bool:
    """False when a target can only ever lead to one instance: a socket, or one IP address."""
    if "," in target:
        return True
    host = target.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    if target.startswith("unix"):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


@lru_cache(maxsize=4_096)
def network_of(address: str) -> str:
    """What one customer has of the network, for counting: an IPv4 address, the /64 of an IPv6 one; other text as it is, cut short."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{ip_network((parsed, 64), strict=False).network_address}/64"
    return str(parsed)
