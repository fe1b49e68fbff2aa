"""`clipmesh up --tls`: the whole system over ports of loopback, every connection between services under certificates."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from devstack.client import Api
from devstack.layout import SERVICES
from devstack.looking import look
from devstack.ports import free_port
from mesh.testing.folders import socket_folder
from tests.e2e.stage import feed, until
from tests.fixtures.children import child


@pytest.mark.timeout(120)
async def test_a_system_under_certificates_serves_people_and_its_operator_and_nobody_else() -> None:
    with socket_folder() as folder:
        port = free_port()
        arguments = ("-m", "devstack", "up", "--tls", "--folder", str(folder), "--port", str(port))
        async with child(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT) as process:
            assert process.stdout is not None
            seen = b""
            while b"Ctrl-C stops it" not in seen:
                line = await process.stdout.readline()
                assert line, seen.decode()
                seen += line
            api = Api(f"http://127.0.0.1:{port}", patience_s=30)
            try:
                await api.sign_up("tessa", "watch-tessa-clips", display_name="Tessa", consents=[], request_id="sign-up-tessa")
                await api.sign_in("tessa", "watch-tessa-clips")
                assert await feed(api, pages=1) == []
            finally:
                await api.close()

            async def good() -> bool:
                return (await look(folder)).good

            await until(good, what="status finds every process serving")
            assert [number.value for number in (await look(folder)).numbers] == [0, 0, 0, 0, 0]
            addresses = json.loads((folder / "run" / "state.json").read_text())["addresses"]
            assert set(addresses) == set(SERVICES)
            assert not [name for name in SERVICES if (folder / "run" / f"{name}.sock").exists()]
            for address in addresses.values():
                async with grpc.aio.insecure_channel(address) as channel:
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
                    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 30) == 0
