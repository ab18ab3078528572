"""Twenty jobs in users' words, done end to end by a scripted model over real MCP, on any Admin API."""
