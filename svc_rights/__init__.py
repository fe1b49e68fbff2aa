"""The rights service: may it be shown, and who decided so.

Owns publication verdicts with their log, the block list of perceptual hashes, and the review queue. Calls nobody: callers bring facts, rights
brings rules. Publishes VerdictChanged on the topic `rights`. Consumes nothing.
"""
