"""What the authors' commands need beside the playbooks: a file to start from, mail to compare on, reports to read."""
