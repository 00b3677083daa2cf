"""What a model sees of pictures: vectors of a pretrained network, and columns made of them."""
