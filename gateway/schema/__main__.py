"""`python -m gateway.schema` writes the schema of the clients to gateway/schema.graphql, which a test compares."""

from pathlib import Path

from strawberry.printer import print_schema

from gateway.schema.root import make_schema

SDL = Path(__file__).parent.parent / "schema.graphql"

if __name__ == "__main__":
    SDL.write_text(print_schema(make_schema()) + "\n", encoding="utf-8")
