"""What function authors need."""
