"""The commands for collections without labels."""
