namespace PeftCore.Models;

/// <summary>Names of the modules of an encoder, those of BERT by default.</summary>
internal sealed record EncoderNames
{
    /// <summary>The token embedding.</summary>
    public string Words { get; init; } = "embeddings.word_embeddings";

    /// <summary>The table of positions.</summary>
    public string Positions { get; init; } = "embeddings.position_embeddings";

    /// <summary>The table of token types.</summary>
    public string Types { get; init; } = "embeddings.token_type_embeddings";

    /// <summary>The norm of the embeddings.</summary>
    public string EmbeddingNorm { get; init; } = "embeddings.LayerNorm";

    /// <summary>The linear layer from embeddings to hidden states, if their sizes differ.</summary>
    public string Projection { get; init; } = "embeddings_project";

    /// <summary>The list of blocks.</summary>
    public string Layers { get; init; } = "encoder.layer";

    /// <summary>What follows a block's number in its path.</summary>
    public string Inside { get; init; } = "";

    /// <summary>The query projection of a block.</summary>
    public string Query { get; init; } = "attention.self.query";

    /// <summary>The key projection.</summary>
    public string Key { get; init; } = "attention.self.key";

    /// <summary>The value projection.</summary>
    public string Value { get; init; } = "attention.self.value";

    /// <summary>The output projection of the attention.</summary>
    public string Output { get; init; } = "attention.output.dense";

    /// <summary>The norm after the attention.</summary>
    public string AttentionNorm { get; init; } = "attention.output.LayerNorm";

    /// <summary>The first layer of the feed-forward network.</summary>
    public string Up { get; init; } = "intermediate.dense";

    /// <summary>The second layer of the feed-forward network.</summary>
    public string Down { get; init; } = "output.dense";

    /// <summary>The norm after the feed-forward network.</summary>
    public string OutputNorm { get; init; } = "output.LayerNorm";
}
