"""What is where: memory of devices and of the machine, and weights that come and go."""
