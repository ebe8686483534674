"""What the service in AWS costs, and how long one waits for it: on paper and in simulation. Knows no command line."""
