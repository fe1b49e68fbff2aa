"""What every service needs and none owns: servers, clients, stores, events, identity of things, time."""

import os

# Read once, when gRPC is imported. Children of ours exec at once: stopping gRPC's threads around every fork would only cost time.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
