"""What a change is, and how it is planned, checked, shown, approved, applied, proven, recorded and undone."""
