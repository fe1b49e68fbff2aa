"""`python -m svc_feed`: the feed service as a process."""

from mesh.app import run
from svc_feed.app import build
from svc_feed.settings import FeedSettings

if __name__ == "__main__":
    run(build, FeedSettings)
