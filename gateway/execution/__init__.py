"""How a GraphQL operation is read, limited, priced and run."""
