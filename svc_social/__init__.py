"""The social service: people and what they do.

Owns accounts, names, passwords, sessions, signing keys, profiles and consents, who follows, blocks and mutes whom, likes, saves with collections,
shares and reposts, and comments. Calls rights, which judges their texts. Publishes AccountCreated, ProfileChanged, BanChanged, ConsentsChanged,
RefreshTokenReused, BondChanged, EngagementChanged and CommentPosted, CommentEdited, CommentModerated, CommentRemoved, CommentLiked on the topic `social`;
SigningKeysPublished, SessionRevoked and ConsentsChanged on the topic `keys`, which every verifier of access tokens tails. Consumes its own
events of bonds, acts and comments for lists, counts and ranks, for inboxes these
and those of videos and verdicts, and VideoDeleted of topic `video`, after which all that people said and did about a video is taken back.
"""
