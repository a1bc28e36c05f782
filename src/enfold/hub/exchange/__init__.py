"""Repositories carried from one hub to another as one signed file, where no network joins the two."""
