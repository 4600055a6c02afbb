"""The input pipeline: one step between the stored image and the engine done as another library or device does it."""
