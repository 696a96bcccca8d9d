"""Campaigns and their siblings."""
