"""The edge: GraphQL, sign-in, media, pages; it owns no facts."""
