"""What keeps a server from running here.

ServerRefused       the text says why, and how to mend it
├── MissingTool     a program that fetches or runs the server is not on this machine
├── FetchFailed     the package client did not bring it
└── NotReady        it was started and does not answer
"""

from __future__ import annotations


class ServerRefused(Exception):
    """A server cannot run here; the text says why and how to mend it."""


class MissingTool(ServerRefused):
    """A program that fetches or runs the server is not on this machine."""


class FetchFailed(ServerRefused):
    """The package client did not bring the server."""


class NotReady(ServerRefused):
    """The server was started and does not answer."""
