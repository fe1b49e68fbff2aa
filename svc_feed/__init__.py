"""svc_feed owns what to show next: For You, watch signals, view counts.

Called by the gateway. Calls video (what a viewer may see). Publishes WatchRecorded and ImpressionServed on topic `feed`.
Consumes VideoPublished, VideoChanged and VideoWithdrawn of topic `video`.
"""
