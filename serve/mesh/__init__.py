"""Triangles with their colours: what the rest of the house passes around, measures, draws and writes to files."""
