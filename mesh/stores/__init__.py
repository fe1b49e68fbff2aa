"""Stores: one port each, an embedded and a distributed engine, chosen by a URL."""
