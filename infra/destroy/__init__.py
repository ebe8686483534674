"""A stage taken down, and what is left of it found by listing; see `gen3d destroy`."""
