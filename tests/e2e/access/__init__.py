"""Who may do what: every RPC and every GraphQL field that takes an id, asked by everybody, against a table that is written by hand."""
