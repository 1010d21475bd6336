"""The layered avatar: field, proxies, training, baking, fine-tuning."""
