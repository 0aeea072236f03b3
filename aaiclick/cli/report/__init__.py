"""Reports as one HTML file that asks nobody for anything: no script, no request, no font, no picture of others."""
