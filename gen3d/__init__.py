"""The command `gen3d`."""
