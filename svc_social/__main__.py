"""`python -m svc_social` serves the social service."""

from mesh.app import run
from svc_social.app import build
from svc_social.settings import SocialSettings

if __name__ == "__main__":
    run(build, SocialSettings)
