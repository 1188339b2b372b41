using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Vision;

namespace PeftCore.Tests.Peft;

/// <summary>A tiny base model of one family and the names of its modules.</summary>
public sealed record Family(string Name, string Attention, string MlpOutput, string FirstMlp, string Embedding, string LastNorm,
    bool HasBiases)
{
    public static Family Llama { get; } = new("llama", "q_proj", "down_proj", "layers.0.mlp", "embed_tokens", "norm", HasBiases: false);

    public static Family Gpt2 { get; } = new("gpt2", "c_attn", "mlp.c_proj", "h.0.mlp", "wte", "ln_f", HasBiases: true);

    /// <summary>Parallel blocks and fused projections.</summary>
    public static Family GptNeoX { get; } = new("gpt_neox", "query_key_value", "dense_4h_to_h", "layers.0.mlp", "embed_in",
        "final_layer_norm", HasBiases: true)
    {
        Head = "lm_head",
    };

    /// <summary>Experts, whose matrices are no linear layers.</summary>
    public static Family Qwen3Moe { get; } = new("qwen3_moe", "q_proj", "o_proj", "layers.0.mlp", "embed_tokens", "model.norm",
        HasBiases: false);

    /// <summary>An encoder that classifies sequences.</summary>
    public static Family Bert { get; } = new("bert", "query", "output.dense", "layer.0.intermediate", "word_embeddings",
        "layer.1.output.LayerNorm", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".key.bias",
    };

    public static Family T5 { get; } = new("t5", "q", "wo", "encoder.block.0.layer.1", "shared", "decoder.final_layer_norm",
        HasBiases: false);

    public static Family Bart { get; } = new("bart", "q_proj", "fc2", "decoder.layers.0.fc1", "shared",
        "decoder.layers.1.final_layer_norm", HasBiases: true)
    {
        KeyBias = ".k_proj.bias",
    };

    /// <summary>Pictures without tokens.</summary>
    public static Family Vit { get; } = new("vit", "q_proj", "fc2", "layers.0.mlp", "", "layernorm", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".k_proj.bias",
        IsTiny = true,
    };

    public static Family Dinov2 { get; } = new("dinov2", "query", "fc2", "layer.0.mlp", "", "layernorm", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".key.bias",
        IsTiny = true,
    };

    /// <summary>Two stacks, one of texts and one of pictures.</summary>
    public static Family Clip { get; } = new("clip", "q_proj", "fc2", "layers.0.mlp", "token_embedding", "final_layer_norm", HasBiases: true)
    {
        Head = "text_projection",
        KeyBias = ".k_proj.bias",
        IsTiny = true,
    };

    /// <summary>CLIP's tower of pictures with a classifier.</summary>
    public static Family ClipClassifier { get; } = new(TinyPictures.ClipClassifier, "q_proj", "fc2", "layers.0.mlp", "",
        "layers.1.layer_norm2", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".k_proj.bias",
        IsTiny = true,
    };

    /// <summary>Pictures without a class token.</summary>
    public static Family Siglip { get; } = new("siglip", "q_proj", "fc2", "layers.0.mlp", "", "post_layernorm", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".k_proj.bias",
        IsTiny = true,
    };

    /// <summary>Tokens and boxes.</summary>
    public static Family LayoutLm { get; } = new("layoutlm", "query", "output.dense", "layer.0.intermediate", "word_embeddings",
        "layer.1.output.LayerNorm", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".key.bias",
        IsTiny = true,
    };

    /// <summary>Tokens, boxes and pictures.</summary>
    public static Family LayoutLmV3 { get; } = new("layoutlmv3", "query", "output.dense", "layer.0.intermediate", "word_embeddings",
        "layer.1.output.LayerNorm", HasBiases: true)
    {
        Head = "classifier",
        KeyBias = ".key.bias",
        IsTiny = true,
    };

    /// <summary>Recordings, from which a decoder writes text.</summary>
    public static Family Whisper { get; } = new("whisper", "q_proj", "fc2", "decoder.layers.0.fc1", "embed_tokens", "decoder.layer_norm",
        HasBiases: true)
    {
        Head = "proj_out",
    };

    /// <summary>Recordings, of which each frame is a symbol.</summary>
    public static Family Wav2Vec2 { get; } = new("wav2vec2_ctc", "q_proj", "output_dense", "layers.0.feed_forward", "",
        "encoder.layer_norm", HasBiases: true)
    {
        KeyBias = ".k_proj.bias",
        Unused = "masked_spec_embed",
    };

    /// <summary>Convolutions and attention on noised pictures.</summary>
    public static Family UNet { get; } = new("unet", "to_q", "ff.net.2", "transformer_blocks.0.ff", "", "conv_norm_out", HasBiases: true)
    {
        Head = "conv_out",
        IsTiny = true,
    };

    /// <summary>The families of all properties with all settings.</summary>
    public static IReadOnlyList<Family> All { get; } = [Llama, Gpt2];

    /// <summary>A family of each other kind, which one setting of each kind of method is held to.</summary>
    public static IReadOnlyList<Family> Others { get; } = [GptNeoX, Qwen3Moe, Bert, T5, Bart, Vit, Dinov2, Clip, ClipClassifier, Siglip,
        LayoutLm, LayoutLmV3, Whisper, Wav2Vec2, UNet];

    /// <summary>The module of the head.</summary>
    public string Head { get; private init; } = "lm_head";

    /// <summary>The end of the names of the keys' biases, where they are parameters of their own and positions do not rotate the keys; null
    /// for families without. Their true gradient is zero.</summary>
    public string? KeyBias { get; private init; }

    /// <summary>The end of the names of parameters that a pass without SpecAugment does not use; null for families without.</summary>
    public string? Unused { get; private init; }

    /// <summary>Whether virtual tokens have a place before those of the model.</summary>
    public bool TakesPrompts => ReadsTokens && this != LayoutLmV3 && this != Whisper;

    /// <summary>Whether the model is made for these tests, and no fixture.</summary>
    public bool IsTiny { get; private init; }

    /// <summary>Whether the model reads tokens.</summary>
    public bool ReadsTokens => Embedding.Length > 0;

    public string Directory => IsTiny ? TinyPictures.Directory(Name) : TestFiles.Fixture("hf", Name, "base");

    public TransformerModel Load(Backend backend, DType? dtype = null) => ModelLoader.Load(Directory, backend, dtype);

    /// <summary>The same model without data.</summary>
    public TransformerModel Plan(MetaBackend backend)
    {
        var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(Directory, "config.json")));
        ModelLoader.Initialize(model, backend, DType.F32);
        return model;
    }

    public override string ToString() => Name;
}
