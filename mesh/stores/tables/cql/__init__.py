"""The distributed engine: ScyllaDB or Cassandra 5 through scylla-driver; `opening` is the door, and the only module that needs no driver to be imported
is `address`."""
