"""What `serve.mesh.finish.clean` is made of: each module mends one kind of fault. Knows arrays and half-edges alone."""
