"""svc_sound owns sounds and which videos use them.

Called by video (register an original sound) and the gateway (read). Calls nobody yet. Publishes SoundCreated on topic `sound`.
Consumes VideoPublished, VideoChanged and VideoWithdrawn of topic `video`.
"""
