"""What the tiny checkpoint of a type needs beyond its classes' defaults: the one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type's departures from the rule."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the configuration's class."""
    small: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the shrunk configuration, by path."""
    ids: Mapping[str, str | list[str]] = field(default_factory=dict)
    """Paths in the configuration that hold the id of a token, or those of several."""
    processor: str = ""
    image_processor: str = ""
    images: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the image processor."""
    video_processor: str = ""
    videos: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the video processor."""
    feature_extractor: str = "WhisperFeatureExtractor"
    processing: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the processor."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Tokens that the tokenizer names."""
    unnamed: tuple[str, ...] = ()
    """Tokens that the processor asks for and that its tokenizers do not name."""
    image_attributes: Mapping[str, Any] = field(default_factory=dict)
    """What published image processors hold besides."""
    special: tuple[str, ...] = ()
    marker: str = ""
    """What stands for an image in a prompt; the processor's image token unless told."""
    plain: bool = False
    """Whether the type's checkpoints have no chat template."""
    left_out: str = ""
    """Why there can be no tiny checkpoint, or no question about an image."""


THREE = {"text_config.rope_parameters.mrope_section": [2, 3, 3]}
POINTS = [[384, 384], [384, 768], [768, 384], [768, 768], [384, 1152], [1152, 384]]
CLIP = {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14}

KINDS: dict[str, Kind] = {
    "aria": Kind(small={"vision_config.patch_size": 14, "vision_config.image_size": 980}),
    "aya_vision": Kind(
        small={"vision_config.image_size": 364, "vision_config.patch_size": 14},
        processing={"patch_size": 14, "img_size": 364, "downsample_factor": 2},
    ),
    "blip": Kind(plain=True),
    "blip-2": Kind(
        ids={"image_token_index": "<image>"},
        special=("<image>",),
        processing={"num_query_tokens": 32},
        plain=True,
        unnamed=("image_token",),
    ),
    "chameleon": Kind(
        plain=True,
        config={
            "vocabulary_map": {
                "<image>": 5,
                **{f"IMGIMG{chr(65 + n // 10)}{chr(65 + n % 10)}Z": 100 + n for n in range(64)},
            }
        },
        small={"vq_config.num_embeddings": 64},
        tokens={
            "sep_token": "<reserved08706>",
            "boi_token": "<racm3:break>",
            "eoi_token": "<eoss>",
        },
    ),
    "cohere_compass": Kind(
        small={
            "text_config.rope_parameters": {
                "full_attention": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [2, 3, 3],
                },
                "sliding_attention": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [2, 3, 3],
                },
            }
        },
    ),
    "cosmos3_edge": Kind(),
    "cosmos3_omni": Kind(processor="Qwen3VLProcessor", video_processor="Qwen3VLVideoProcessor"),
    "deepseek_ocr2": Kind(
        small={
            "text_config.mlp_layer_types": ["dense", "sparse"],
            "text_config.num_experts_per_tok": 2,
            "vision_config.sam_config.downsample_channels": [64, 64],
        },
        processing={"patch_size": 16},
    ),
    "diffusion_gemma": Kind(
        left_out="writes by diffusion, not token by token: greedy is none of its modes, and no "
        "answer of its can be repeated"
    ),
    "ernie4_5_vl_moe": Kind(
        video_processor="Ernie4_5_VLMoeVideoProcessor",
        videos={"draw_on_frames": False},
        small={"text_config.rope_parameters.mrope_section": [3, 3, 2]},
    ),
    "evolla": Kind(left_out="answers questions about proteins, and takes no image"),
    "fast_vlm": Kind(
        processor="LlavaProcessor",
        image_processor="CLIPImageProcessor",
        small={
            "vision_config.model_args": {
                "inference_mode": True,
                "layers": [1, 1, 1, 1, 1],
                "embed_dims": [16, 32, 32, 32, 32],
            },
            "vision_config.hidden_size": 64,
        },
        images={"size": {"shortest_edge": 1024}, "crop_size": {"height": 1024, "width": 1024}},
        processing={"patch_size": 64, "vision_feature_select_strategy": "full"},
    ),
    "florence2": Kind(
        images={"size": {"height": 768, "width": 768}, "crop_size": {"height": 768, "width": 768}},
        image_attributes={"image_seq_length": 577},
        plain=True,
    ),
    "fuyu": Kind(
        left_out="its processor cuts a token off that only a SentencePiece tokenizer makes",
        plain=True,
    ),
    "gemma3": Kind(
        ids={"image_token_index": "<image>"},
        images={"size": {"height": 224, "width": 224}},
        small={
            "vision_config.image_size": 224,
            "vision_config.patch_size": 14,
            "mm_tokens_per_image": 64,
        },
        processing={"image_seq_length": 64},
        marker="<boi_token>",
    ),
    "gemma3n": Kind(
        ids={"image_token_id": "<image>"},
        feature_extractor="Gemma3nAudioFeatureExtractor",
    ),
    "gemma4": Kind(
        config={"vision_config": {"model_type": "gemma4_vision"}},
        feature_extractor="Gemma4AudioFeatureExtractor",
        video_processor="Gemma4VideoProcessor",
    ),
    "gemma4_unified": Kind(
        config={"vision_config": {}}, feature_extractor="Gemma4UnifiedAudioFeatureExtractor"
    ),
    "git": Kind(plain=True),
    "glm46v": Kind(small=THREE),
    "glm4v": Kind(small=THREE),
    "glm4v_moe": Kind(
        small={"text_config.rope_parameters.mrope_section": [1, 1, 2]},
        image_processor="Glm4vImageProcessor",
        video_processor="Glm4vVideoProcessor",
    ),
    "glm_ocr": Kind(
        small=THREE,
        processor="Glm46VProcessor",
        image_processor="Glm46VImageProcessor",
        video_processor="Glm46VVideoProcessor",
    ),
    "glmga": Kind(small=THREE, processor="Glm46VProcessor", video_processor="GlmgaVideoProcessor"),
    "got_ocr2": Kind(marker="<img><imgpad></img>"),
    "granite4_vision": Kind(
        config={
            "deepstack_layer_map": [[-1, 0], [0, 1]],
            "downsample_rate": "4/8",
            "use_spatial_sampling": True,
            "image_grid_pinpoints": POINTS,
        },
        images={"image_grid_pinpoints": POINTS},
        small={
            "spatial_target_layers": [1],
            "vision_config.image_size": 384,
            "vision_config.patch_size": 16,
        },
        processing={"downsample_rate": "4/8"},
    ),
    "hunyuan_vl": Kind(
        small={
            "text_config.head_dim": 16,
            "text_config.rope_parameters.mrope_section": [2, 2, 2, 2],
        },
        marker="<image_start_token><image><image_end_token>",
    ),
    "instructblip": Kind(
        ids={"image_token_index": "<image>"},
        special=("<image>",),
        processing={"num_query_tokens": 32},
        plain=True,
        unnamed=("image_token",),
    ),
    "instructblipvideo": Kind(left_out="takes videos, and its processor no image"),
    "internvl": Kind(
        small={"vision_config.image_size": [224, 224], "vision_config.patch_size": [14, 14]},
        processing={"image_seq_length": 64},
    ),
    "kosmos-2": Kind(processor="Kosmos2Processor", plain=True),
    "kosmos-2.5": Kind(processor="Kosmos2_5Processor", plain=True),
    "mistral4": Kind(
        left_out="a language model: its class takes no image (mistral3 and mistral_large4 do)"
    ),
    "paddleocr_vl": Kind(small=THREE),
    "qwen2_vl": Kind(small=THREE | {"vision_config.embed_dim": 64}),
    "qwen2_5_vl": Kind(small=THREE),
    "qwen3_vl_moe": Kind(
        image_processor="Qwen2VLImageProcessor", video_processor="Qwen3VLVideoProcessor"
    ),
    "qwen2_5_omni_thinker": Kind(
        ids={"vision_start_token_id": "<|vision_bos|>"},
        special=("<|vision_bos|>", "<|vision_eos|>"),
        marker="<|vision_bos|><image><|vision_eos|>",
        processor="Qwen2_5OmniProcessor",
        image_processor="Qwen2VLImageProcessor",
        small=THREE,
    ),
    "qwen3_omni_moe_thinker": Kind(
        ids={"vision_start_token_id": "<|vision_bos|>"},
        special=("<|vision_bos|>", "<|vision_eos|>"),
        marker="<|vision_bos|><image><|vision_eos|>",
        processor="Qwen3OmniMoeProcessor",
        image_processor="Qwen2VLImageProcessor",
    ),
    "vision-encoder-decoder": Kind(
        left_out="any encoder with any decoder: captions, and takes no question"
    ),
    "pi0": Kind(left_out="predicts a robot's actions, no text"),
    "udop": Kind(
        left_out="reads words and boxes of an OCR beside the page, and takes no image alone"
    ),
    "llava_onevision": Kind(
        processing={"num_image_tokens": 729, "vision_feature_select_strategy": "full"},
        small={"vision_feature_layer": -1},
    ),
    "pp_formulanet": Kind(left_out="reads formulas, and its processor takes no question"),
    "pix2struct": Kind(
        left_out="its processor paints the question into the image, in a font that it downloads"
    ),
    "unlimited_ocr": Kind(
        small={"vision_config.sam_config.downsample_channels": [64, 64]},
        processing={"patch_size": 16},
    ),
    "deepseek_vl": Kind(
        small={"vision_config.image_size": 384, "vision_config.patch_size": 16},
        processing={"num_image_tokens": 576},
    ),
    "deepseek_vl_hybrid": Kind(
        small={"vision_config.image_size": 384, "vision_config.patch_size": 16},
        processing={"num_image_tokens": 576},
    ),
    "emu3": Kind(
        config={
            "vocabulary_map": {
                "<image>": 5,
                "<|extra_200|>": 6,
                **{f"<|visual token {n:06d}|>": 100 + n for n in range(64)},
            }
        },
        small={"vq_config.codebook_size": 64},
    ),
    "idefics3": Kind(
        small={"vision_config.image_size": 364, "vision_config.patch_size": 14},
        processing={"image_seq_len": 169},
    ),
    "smolvlm": Kind(
        small={"vision_config.image_size": 364, "vision_config.patch_size": 14},
        processing={"image_seq_len": 169},
    ),
    "mistral3": Kind(processing={"spatial_merge_size": 2}),
    "mistral_large4": Kind(processing={"spatial_merge_size": 2}),
    "llama4": Kind(
        config={"vision_config": {"hidden_size": 1408, "vision_output_dim": 4096}},
        ids={"image_token_index": "<|patch|>"},
    ),
    "mllama": Kind(small={"vision_config.vision_output_dim": 192}),
    "nemotron_h_omni": Kind(ids={"image_token_id": "<image>"}),
    "paligemma": Kind(
        small={"vision_config.image_size": 224, "vision_config.patch_size": 14},
        image_attributes={"image_seq_length": 256},
        plain=True,
    ),
    "perception_lm": Kind(
        config={
            "vision_config": {
                "model_type": "timm_wrapper",
                "architecture": "vit_pe_core_large_patch14_336",
                "do_pooling": False,
                "num_classes": 0,
                "global_pool": "",
                "model_args": {
                    "depth": 2,
                    "embed_dim": 32,
                    "img_size": [112, 112],
                    "init_values": 0.1,
                    "num_heads": 4,
                    "patch_size": 14,
                    "ref_feat_shape": [8, 8],
                    "use_post_transformer_norm": False,
                },
            },
            "projector_pooling_ratio": 2,
        },
        images={"tile_size": 112, "max_num_tiles": 9, "vision_input_type": "thumb+tile"},
        processing={"patch_size": 14, "pooling_ratio": 2},
    ),
    "qianfan_ocr": Kind(
        marker="<image>",
        small={"vision_config.image_size": [224, 224], "vision_config.patch_size": [14, 14]},
        processing={"image_seq_length": 64},
    ),
    "qwen4_exp": Kind(
        small={
            "text_config.indexer_n_heads": 4,
            "text_config.indexer_kv_heads": 1,
            "text_config.indexer_head_dim": 16,
            "text_config.indexer_budget": 64,
            "text_config.indexer_compress_ratio": 4,
        }
    ),
    "shieldgemma2": Kind(
        left_out="classifies images by policies: its processor writes the question itself, and its "
        "model no text"
    ),
    "t5gemma2": Kind(
        ids={"image_token_index": "<image>", "encoder.image_token_index": "<image>"},
        images={"size": {"height": 224, "width": 224}},
        small={
            "encoder.vision_config.image_size": 224,
            "encoder.vision_config.patch_size": 14,
            "encoder.mm_tokens_per_image": 64,
        },
        processing={"image_seq_length": 64},
        marker="<boi_token>",
    ),
    "step3p7": Kind(images={"patch_size": 504}, small={"text_config.sliding_window": 512}),
    "ovis2": Kind(
        ids={
            "image_token_id": "<IMG_ATOM>",
            "visual_indicator_token_ids": [
                "<IMG_START>",
                "<IMG_GRID>",
                "<IMG_COL>",
                "<IMG_ROW>",
                "<IMG_END>",
            ],
        },
        special=("<IMG_ATOM>", "<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"),
    ),
    "pp_chart2table": Kind(
        ids={"image_token_id": "<imgpad>"},
        special=("<img>", "<imgpad>", "</img>"),
        marker=f"<img>{'<imgpad>' * 256}</img>",
    ),
    "molmo2": Kind(ids={"image_patch_id": "<im_patch>"}),
    "muse_glimmer": Kind(),
    "muse_spark": Kind(small={"audio_config.num_hidden_layers": 4}),
    "minimax_m3_vl": Kind(tokens={"image_token": "]<]image[>["}),
}
