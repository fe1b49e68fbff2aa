"""The social service: people and what they do.

Owns accounts, names, passwords, sessions, signing keys, profiles and consents. Calls nobody. Publishes AccountCreated, ProfileChanged and
ConsentsChanged on the topic `social`; SigningKeysPublished, SessionRevoked and ConsentsChanged on the topic `keys`, which every verifier of
access tokens tails. Consumes nothing.
"""
