"""People as points: what OpenPose's files and pictures are, and finding them with DWPose's two networks."""
