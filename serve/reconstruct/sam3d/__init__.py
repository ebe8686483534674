"""SAM 3D Objects, the genuine network, as a reconstructor. Needs torch and Meta's source; see `upstream`."""
