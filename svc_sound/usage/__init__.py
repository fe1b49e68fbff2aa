"""Usage: which public videos use a sound, folded from video's events."""
