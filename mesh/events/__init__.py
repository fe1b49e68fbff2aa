"""Events: made with the state they tell of, relayed in order, consumed once in effect."""
