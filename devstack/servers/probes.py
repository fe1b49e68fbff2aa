"""Asks servers in their own protocols whether they serve, without their drivers."""

from __future__ import annotations

import socket
import struct
from http.client import HTTPConnection, HTTPException
from typing import Final

ASK_S: Final = 1.0
"""Longest wait for an answer, in seconds."""
_HOST: Final = "127.0.0.1"


def cql_answers(port: int) -> bool:
    """True when a CQL server says which options it takes: an OPTIONS frame of protocol 4, answered by SUPPORTED."""
    return _asked(port, struct.pack(">BBhBi", 0x04, 0, 0, 0x05, 0), 5)[4:5] == b"\x06"


def kafka_answers(port: int) -> bool:
    """True when a broker says which requests it takes: ApiVersions 0 without a client id, answered without error."""
    request = struct.pack(">hhih", 18, 0, 7, -1)
    answer = _asked(port, struct.pack(">i", len(request)) + request, 10)
    return len(answer) == 10 and struct.unpack(">ih", answer[4:]) == (7, 0)


def redis_answers(port: int) -> bool:
    """True when a Redis that has loaded its files answers PING."""
    return _asked(port, b"PING\r\n", 7) == b"+PONG\r\n"


def minio_answers(port: int) -> bool:
    """True when a MinIO takes writes."""
    connection = HTTPConnection(_HOST, port, timeout=ASK_S)
    try:
        connection.request("GET", "/minio/health/cluster")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _asked(port: int, request: bytes, size: int) -> bytes:
    """The first `size` bytes of the answer, fewer when none or less comes."""
    answer = b""
    try:
        with socket.create_connection((_HOST, port), timeout=ASK_S) as connection:
            connection.sendall(request)
            while len(answer) < size:
                received = connection.recv(size - len(answer))
                if not received:
                    break
                answer += received
    except OSError:
        pass
    return answer
