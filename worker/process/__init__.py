"""What the operating system gives and takes: signals, standard streams, a child process."""
