"""Consents: what was done before a person withdrew the consent to personalisation is neither used nor kept."""
