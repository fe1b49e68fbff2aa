"""Objects: one port, an engine on files and one on S3."""
