"""What a model wrote, as HTML that is safe to put into a page."""
