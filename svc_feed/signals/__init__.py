"""Signals: what was watched, counted once; view tokens and view counts."""
