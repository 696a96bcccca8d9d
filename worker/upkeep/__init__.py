"""What goes on beside the work: pauses, the clock, the disk, what expires and what grows old."""
