"""What people decide: approvals, rejections, undoing, levels, edits of the tenant's settings."""
