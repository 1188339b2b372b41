namespace PeftCore.Models;

/// <summary>An encoder as a row of sizes and switches: what a family's configuration says. A family is a page that maps its config.json to
/// a spec and says which layers its heads have.</summary>
internal sealed record EncoderSpec
{
    /// <summary>model_type of config.json.</summary>
    public required string ModelType { get; init; }

    /// <summary>The name of the bare model inside a model with a head, such as "bert".</summary>
    public required string Body { get; init; }

    /// <summary>The names of the modules.</summary>
    public EncoderNames Names { get; init; } = new();

    /// <summary>Adds the layers of the head of a task.</summary>
    public required Action<HeadLayers, EncoderSpec, TaskSpec> Head { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Size of a hidden state, C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Size of an embedding, E; a linear layer maps embeddings to hidden states if it differs from C.</summary>
    public required int EmbeddingSize { get; init; }

    /// <summary>Size of the hidden layer of the feed-forward networks.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Number of attention heads, H.</summary>
    public required int Heads { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Rows of the table of positions; 0 for a model without one.</summary>
    public int PositionRows { get; init; }

    /// <summary>The row of position 0. RoBERTa numbers positions from the padding token's id plus 1.</summary>
    public int PositionOffset { get; init; }

    /// <summary>The padding token, whose embedding is a constant; null for none.</summary>
    public int? PaddingToken { get; init; }

    /// <summary>Whether positions count only tokens that are not padding (RoBERTa).</summary>
    public bool CountsTokens { get; init; }

    /// <summary>Rows of the table of token types; 0 for a model without one.</summary>
    public int TokenTypes { get; init; }

    /// <summary>ε of the norms.</summary>
    public float Epsilon { get; init; } = 1e-12f;

    /// <summary>The activation of the feed-forward networks: one of <see cref="Nn.Activations.Names"/>.</summary>
    public string Activation { get; init; } = "gelu";

    /// <summary>Probability of dropout on the embeddings and on the output of each sublayer.</summary>
    public float Dropout { get; init; }

    /// <summary>Probability of dropout on attention probabilities.</summary>
    public float ProbabilityDropout { get; init; }

    /// <summary>Probability of dropout before the last layer of a head.</summary>
    public float HeadDropout { get; init; }

    /// <summary>Whether the head over the vocabulary shares the embedding's table.</summary>
    public bool TieEmbeddings { get; init; } = true;

    /// <summary>Blocks with weights of their own; the blocks of a group share theirs (ALBERT). 0 if every block has its own.</summary>
    public int Groups { get; init; }

    /// <summary>Relative positions (DeBERTa); null for none.</summary>
    public RelativePositions? Relative { get; init; }

    /// <summary>The tables of boxes of documents (LayoutLM); null for none.</summary>
    public BoxSpec? Boxes { get; init; }

    /// <summary>Whether a sequence is classified by the mean of its hidden states rather than by that of its first token.</summary>
    public bool PoolsMean { get; init; }
}
