"""Stores behind a breaker, a bulkhead and shared reads: wrappers with the same ports, and faults for tests in the same place."""
