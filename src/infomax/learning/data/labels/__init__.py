"""What is known of each thing: where labels stand, and what they mean."""
