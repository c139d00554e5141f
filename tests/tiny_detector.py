"""A DETR of random weights, small enough to be made in a test: save_detector(folder)."""

LABELS = {0: "N/A", 1: "person", 2: "dog", 7: "kite"}


def save_detector(folder, seed=0, labels=LABELS):
    """Write network and image processor. Its confidences spread over 0 to 1, and some boxes leave the picture."""
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
        backbone_config=ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
                                     out_features=["stage4"]),
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, num_queries=6, id2label=labels, label2id={label: number for number, label in labels.items()})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DetrForObjectDetection(config).eval()
        torch.nn.init.normal_(network.class_labels_classifier.weight, std=1.5)
        torch.nn.init.normal_(network.bbox_predictor.layers[-1].weight, std=1.0)
        torch.nn.init.normal_(network.bbox_predictor.layers[-1].bias, std=1.0)
    network.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 32, "longest_edge": 64}).save_pretrained(folder)
    return folder
