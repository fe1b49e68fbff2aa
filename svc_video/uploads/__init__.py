"""Uploads: sessions that take a creator's file into the blob store, part by part, within the creator's quota."""
