"""Head models: FLAME, ICT-FaceKit and the built-in stand-in, all as one :class:`~likeness.head.model.HeadModel`."""
