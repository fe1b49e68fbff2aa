"""A part of a shared server for one test alone, as the URL that names it: nobody else's rows, objects or records are in it."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def name() -> str:
    """A word that nobody used before: lower-case letters and digits, good for a keyspace, a bucket and a topic."""
    return f"t{secrets.token_hex(5)}"


def keyspaces(cassandra_url: str) -> str:
    """The same servers, with a beginning of keyspace names that nobody used before."""
    return urlunsplit(urlsplit(cassandra_url)._replace(path=f"/{name()}"))


def bucket(s3_url: str) -> str:
    """The same server, with a bucket that is not there yet."""
    return urlunsplit(urlsplit(s3_url)._replace(path=f"/{name()}"))


def topics(kafka_url: str) -> str:
    """The same servers, with a beginning of topic and group names that nobody used before."""
    parts = urlsplit(kafka_url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), "prefix": name()}
    return urlunsplit(parts._replace(query=urlencode(query)))
