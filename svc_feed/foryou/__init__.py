"""For You: a page is hydrated, sourced, filtered, scored, selected, remembered."""
