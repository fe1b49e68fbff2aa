"""The engine on S3 and what speaks its API: a client with blocking calls in threads, links that clients send to without us."""
