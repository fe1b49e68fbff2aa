"""Videos: what a video says of itself, how far its bytes and its publication are, and who may see it."""
