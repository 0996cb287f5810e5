"""BLOOM with torch's fused attention."""
