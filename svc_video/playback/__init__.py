"""Playback: who may play what, where the media edge finds it, and which grants are over."""
