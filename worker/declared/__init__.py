"""The tenant's settings as code: a file declares them, a plan says what differs, and is carried out call by call."""
