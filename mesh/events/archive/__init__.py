"""The archive: every event of a service as Parquet in the blob store, kept long after the outbox and the stream forgot it."""
