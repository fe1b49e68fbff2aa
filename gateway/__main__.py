"""`python -m gateway`: the gateway as a process."""

from gateway.app import build
from gateway.settings import GatewaySettings
from mesh.app import run

if __name__ == "__main__":
    run(build, GatewaySettings)
