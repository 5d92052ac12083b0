"""What pretrained networks see in photographs: reading images, running the network, naming the classes."""
