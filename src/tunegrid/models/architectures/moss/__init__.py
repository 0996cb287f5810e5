"""MOSS: CodeGen with torch's fused attention, under a name of its own."""
