"""What an operator does with a stage that is deployed, in AWS or on this machine. Knows no command line."""
