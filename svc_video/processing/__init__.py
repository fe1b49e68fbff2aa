"""Processing: from raw bytes of a creator to renditions that play."""
