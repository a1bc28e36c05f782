"""What reports, serving and hub share: templates, style sheet, error shape, limits and metrics."""
