"""Migrations of analytics."""
