"""Tables from pydantic models, and models from tables."""
