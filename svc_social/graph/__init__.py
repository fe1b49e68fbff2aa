"""Who follows, asks, blocks and mutes whom: one guarded row for each pair of people, lists and counts folded from its events."""
