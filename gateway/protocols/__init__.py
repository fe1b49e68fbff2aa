"""How GraphQL travels: over HTTP, event streams and sockets."""
