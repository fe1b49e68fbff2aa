"""Affinities: how much a consenting person engages with each creator, folded from social's events of acts."""
