"""What a function or a network looks like: drawings of its graph, and whether it is convex."""
