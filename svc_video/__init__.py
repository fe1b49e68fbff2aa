"""The video service: uploads, videos with their media and publication, and who may play what.

Owns the raw and processed bytes, the Video row with its two state machines, upload sessions and revocation epochs. Calls rights (the publish
gate), social (standing of creators, and what stands between them and viewers) and sound (original sounds). Publishes VideoPublished, VideoChanged, VideoWithdrawn, UploadCompleted and
MediaFailed on topic `video` and hints on `video.progress`. Consumes VerdictChanged of topic `rights`.
"""
