"""The video service: uploads, videos with their media and publication, who may play what, and pictures of people.

Owns the raw and processed bytes, the Video row with its two state machines, upload sessions, pictures that people show of themselves, and revocation
epochs. Calls rights (the publish gate), social (standing of creators, what stands between them and viewers, who shows which picture) and sound
(original sounds). Publishes VideoPublished, VideoChanged, VideoWithdrawn, VideoDeleted, UploadCompleted and MediaFailed on topic `video` and hints on
`video.progress`. Consumes VerdictChanged of topic `rights`, ProfileChanged of topic `social` and, where views decide about codecs, WatchRecorded of
topic `feed`.
"""
