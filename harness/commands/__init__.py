"""What the verbs of the command line do, a room a family of verbs."""
