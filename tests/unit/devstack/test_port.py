"""A port that is taken is refused by name, and leaves nothing behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from devstack.layout import Layout
from devstack.system import StartRefused, System


@pytest.mark.parametrize("folder_is_there", [False, True])
async def test_a_taken_port_is_refused_and_makes_no_folder(tmp_path: Path, folder_is_there: bool) -> None:
    folder = tmp_path / "kept"
    if folder_is_there:
        folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        system = System(layout=Layout(folder=folder, port=port))
        with pytest.raises(StartRefused, match=f"^port {port} is taken; choose another with --port$"):
            await system.start()
    assert folder.exists() == folder_is_there
    assert system.children == {}
