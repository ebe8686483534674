"""Tries an installation out, from its packages to a mesh. Knows neither HTTP nor Docker, and needs no weights."""
