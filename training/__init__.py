"""What all networks need to learn: data in, augmentation, the training loop. Knows no architecture."""
