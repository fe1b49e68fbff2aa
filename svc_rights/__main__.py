"""`python -m svc_rights` serves the rights service."""

from mesh.app import run
from svc_rights.app import build
from svc_rights.settings import RightsSettings

if __name__ == "__main__":
    run(build, RightsSettings)
