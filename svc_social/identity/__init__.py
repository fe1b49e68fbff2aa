"""People: names, passwords, sign-in, sessions, keys, and what a person shows and consents to.

Profiles are no area of their own: a profile, its consents and its roles are columns of the one guarded account row, so that all events of
a person carry versions of one row and stay in order.
"""
