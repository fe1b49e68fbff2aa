"""Event streams: one port, an engine on Redis Streams and one on Kafka."""
