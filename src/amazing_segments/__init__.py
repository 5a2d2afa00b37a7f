"""Amazing Segments: customer segmentation by habits, in the warehouse."""
