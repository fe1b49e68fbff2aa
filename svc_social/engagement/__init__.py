"""Engagement: likes, saves with collections, shares and reposts as durable acts; lists by person and counts folded from their events."""
