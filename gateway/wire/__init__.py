"""The wire below the applications: what one connection may do, however its bytes come."""
