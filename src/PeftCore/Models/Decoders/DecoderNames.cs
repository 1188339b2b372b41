namespace PeftCore.Models;

/// <summary>The names of a decoder's modules, as in its weight files. The defaults are LLaMA's, which most families share.</summary>
internal sealed record DecoderNames
{
    /// <summary>The path of the module that holds all but the head, such as "model" or "model.decoder".</summary>
    public string Body { get; init; } = "model";

    /// <summary>The token embedding.</summary>
    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>The learned positions.</summary>
    public string Positions { get; init; } = "embed_positions";

    /// <summary>The norm of the embeddings (BLOOM); null without one.</summary>
    public string? EmbeddingNorm { get; init; }

    /// <summary>The projection from the size of the embeddings to that of the hidden states (OPT), if they differ.</summary>
    public string EmbeddingIn { get; init; } = "project_in";

    /// <summary>The projection back, before the head.</summary>
    public string EmbeddingOut { get; init; } = "project_out";

    /// <summary>The list of blocks.</summary>
    public string Layers { get; init; } = "layers";

    /// <summary>The norm after the last block; null without one.</summary>
    public string? FinalNorm { get; init; } = "norm";

    /// <summary>The head.</summary>
    public string Head { get; init; } = "lm_head";

    /// <summary>The head in weight files, if it is not <see cref="Head"/>.</summary>
    public string? HeadInFiles { get; init; }

    /// <summary>The attention of a block; a path.</summary>
    public string Attention { get; init; } = "self_attn";

    /// <summary>The fused projection to q, k and v; null if they are separate.</summary>
    public string? Qkv { get; init; }

    /// <summary>The query projection.</summary>
    public string Query { get; init; } = "q_proj";

    /// <summary>The key projection.</summary>
    public string Key { get; init; } = "k_proj";

    /// <summary>The value projection.</summary>
    public string Value { get; init; } = "v_proj";

    /// <summary>The output projection of the attention.</summary>
    public string Output { get; init; } = "o_proj";

    /// <summary>The norm of q.</summary>
    public string QueryNorm { get; init; } = "q_norm";

    /// <summary>The norm of k.</summary>
    public string KeyNorm { get; init; } = "k_norm";

    /// <summary>The MLP of a block; empty if its layers are children of the block (OPT).</summary>
    public string Mlp { get; init; } = "mlp";

    /// <summary>The gate of a gated MLP.</summary>
    public string Gate { get; init; } = "gate_proj";

    /// <summary>The first layer of an MLP.</summary>
    public string Up { get; init; } = "up_proj";

    /// <summary>Gate and first layer in one.</summary>
    public string GateUp { get; init; } = "gate_up_proj";

    /// <summary>The last layer of an MLP.</summary>
    public string Down { get; init; } = "down_proj";

    /// <summary>The norms of a block.</summary>
    public BlockNorms Norms { get; init; } = BlockNorms.Pre;
}

/// <summary>Where the norms of a block stand, and their names; a norm without a name does not exist. With h = Attention(n₁(x)) and
/// n₂(h) added to x, and the same for the MLP: n₁ is <paramref name="BeforeAttention"/>, n₂ <paramref name="AfterAttention"/>.</summary>
/// <param name="BeforeAttention">The norm of the attention's input. Parallel blocks without <paramref name="BeforeMlp"/> use it for the
/// MLP too.</param>
/// <param name="BeforeMlp">The norm of the MLP's input.</param>
/// <param name="AfterAttention">The norm of the attention's output.</param>
/// <param name="AfterMlp">The norm of the MLP's output.</param>
internal sealed record BlockNorms(string? BeforeAttention, string? BeforeMlp, string? AfterAttention = null, string? AfterMlp = null)
{
    /// <summary>Pre-norm (GPT-2, LLaMA).</summary>
    public static BlockNorms Pre { get; } = new("input_layernorm", "post_attention_layernorm");

    /// <summary>Norms of the outputs only (OLMo 2).</summary>
    public static BlockNorms Post { get; } = new(null, null, "post_attention_layernorm", "post_feedforward_layernorm");

    /// <summary>Norms of inputs and outputs (Gemma 2).</summary>
    public static BlockNorms PreAndPost { get; } =
        new("input_layernorm", "pre_feedforward_layernorm", "post_attention_layernorm", "post_feedforward_layernorm");

    /// <summary>One norm for both sublayers of a parallel block (GPT-J, Cohere).</summary>
    public static BlockNorms Shared { get; } = new("input_layernorm", null);
}
