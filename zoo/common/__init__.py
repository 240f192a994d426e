"""What several variants share, letter for letter: objectives, schedules, layers, plumbing."""
