"""The steps from a mask to a closed solid: outline, triangulation, height, texture. Arrays in, arrays out."""
