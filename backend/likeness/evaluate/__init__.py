"""Metrics, contact sheets and reports."""
