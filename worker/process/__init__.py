"""What the operating system gives and takes: signals and standard streams."""
