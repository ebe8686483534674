"""What `simplify` is made of: quadrics, edges in order of cost, their collapse. Knows arrays alone."""
