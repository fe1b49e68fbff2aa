"""The social service: people and what they do.

Owns accounts, names, passwords, sessions, signing keys, profiles and consents, who follows, blocks and mutes whom, and likes, saves with collections,
shares and reposts. Calls nobody. Publishes AccountCreated, ProfileChanged, ConsentsChanged, BondChanged and EngagementChanged on the topic `social`;
SigningKeysPublished, SessionRevoked and ConsentsChanged on the topic `keys`, which every verifier of access tokens tails. Consumes its own
BondChanged and EngagementChanged for lists and counts.
"""
