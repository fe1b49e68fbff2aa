"""Wide-column tables: declare rows with `schema`, read and write them through `port.Tables`."""
