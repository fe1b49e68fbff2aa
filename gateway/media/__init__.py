"""Bytes in and out: the upload door of the embedded store, and the media edge that serves granted objects."""
