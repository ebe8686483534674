"""Triangles with their colours: what the rest of the house passes around, finishes, draws and writes to files."""
