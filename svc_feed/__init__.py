"""svc_feed owns what to show next: For You, watch signals, view counts, affinities.

Called by the gateway. Calls video (what a viewer may see) and social (whom a block or a mute keeps from a viewer). Publishes WatchRecorded and
ImpressionServed on topic `feed`. Consumes VideoPublished, VideoChanged and VideoWithdrawn of topic `video`, EngagementChanged of topic `social`.
"""
