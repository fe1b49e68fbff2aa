"""Sounds: what exists, who is credited."""
