"""What is wrong with a folder of photos, and which of them are near-duplicates."""
