"""The queue of what moderators decide; what stands in it follows from the verdicts of publication."""
