"""The media worker: leases jobs from the video service, runs the toolbox in its sandbox, puts objects into the blob store, commits."""
