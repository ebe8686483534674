"""The steps of unwrapping, in their order: charts grow, lie down, and are packed."""
