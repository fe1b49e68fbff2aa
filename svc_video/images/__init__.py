"""Pictures that people show of themselves: one upload each, made anew as squares, removed when nobody shows them any more."""
