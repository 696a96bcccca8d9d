"""Bulk jobs: the vendor searches, then moves or releases what it found, while the client looks on."""

from .job import Job, JobRow
from .routes import JobRoutes
from .running import Jobs

__all__ = ["Job", "JobRoutes", "JobRow", "Jobs"]
