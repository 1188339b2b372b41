namespace PeftCore.Models;

/// <summary>Sizes and switches of blocks with a norm before each sublayer.</summary>
internal sealed record PreNormSpec
{
    /// <summary>Size of a hidden state, C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Attention heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Size of the hidden layer of the feed-forward networks.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Names of the modules.</summary>
    public required PreNormNames Names { get; init; }

    /// <summary>ε of the norms.</summary>
    public required float Epsilon { get; init; }

    /// <summary>The activation: one of <see cref="Nn.Activations.Names"/>.</summary>
    public required string Activation { get; init; }

    /// <summary>Whether the projections to queries, keys and values have biases.</summary>
    public bool QkvBias { get; init; } = true;

    /// <summary>Whether half of the hidden layer is the gate of the other half.</summary>
    public bool Gated { get; init; }

    /// <summary>Probability of dropout on the output of each sublayer.</summary>
    public float Dropout { get; init; }

    /// <summary>Probability of dropout on attention probabilities.</summary>
    public float ProbabilityDropout { get; init; }
}

/// <summary>Names of the modules of such a block, those of ViT by default.</summary>
internal sealed record PreNormNames
{
    /// <summary>The norm before the attention.</summary>
    public string AttentionNorm { get; init; } = "layernorm_before";

    /// <summary>The query projection.</summary>
    public string Query { get; init; } = "attention.q_proj";

    /// <summary>The key projection.</summary>
    public string Key { get; init; } = "attention.k_proj";

    /// <summary>The value projection.</summary>
    public string Value { get; init; } = "attention.v_proj";

    /// <summary>The output projection of the attention.</summary>
    public string Output { get; init; } = "attention.o_proj";

    /// <summary>The factor of each column of the attention's output; null for none.</summary>
    public string? AttentionScale { get; init; }

    /// <summary>The norm before the feed-forward network.</summary>
    public string MlpNorm { get; init; } = "layernorm_after";

    /// <summary>The first layer of the feed-forward network.</summary>
    public string Up { get; init; } = "mlp.fc1";

    /// <summary>The second layer of the feed-forward network.</summary>
    public string Down { get; init; } = "mlp.fc2";

    /// <summary>The factor of each column of the feed-forward network's output; null for none.</summary>
    public string? MlpScale { get; init; }
}
