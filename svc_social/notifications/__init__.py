"""Notifications: one bounded inbox per person, grouped and counted exactly, its changes by cursor, and what is pushed and mailed of it."""
