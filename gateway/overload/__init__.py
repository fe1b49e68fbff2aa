"""What the edge does with more than it can: it begins the urgent first, and tells the rest at the wire to come again."""
