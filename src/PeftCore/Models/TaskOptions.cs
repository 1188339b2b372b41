namespace PeftCore.Models;

/// <summary>The task that a model is loaded for. The default is that of the architecture in its config.json.</summary>
public sealed class TaskOptions
{
    /// <summary>The task; null for that of "architectures". If it differs, the head is new and has random weights.</summary>
    public ModelTask? Task { get; init; }

    /// <summary>The class names; null for those of "id2label".</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>What a head that classifies texts learns, as transformers' problem_type: "single_label_classification",
    /// "multi_label_classification" (each class by itself: several, or none, may belong to a text) or "regression" (one number); null for
    /// what config.json says.</summary>
    public string? ProblemType { get; init; }

    /// <summary>Whether to compute what Hugging Face transformers 5 does with eager attention where it differs from what is meant: its
    /// Falcon adds ALiBi twice, and its decoders classify a text after virtual tokens by the last place of the row, even if that is
    /// padding, because they do not see the token ids. For comparisons with numbers computed by it.</summary>
    public bool AsEagerTransformers { get; init; }

    /// <summary>How the hidden states of a text become its embedding, for feature extraction: "mean", "cls" or "last"; null for the mean in
    /// encoders and the last token in decoders.</summary>
    public string? Pooling { get; init; }

    /// <summary>Whether pictures of another size than that of config.json are read, with positions interpolated between those of the
    /// patches; DINOv2 always reads them.</summary>
    internal bool InterpolatePositions { get; init; }

    /// <summary>The temperature τ of contrastive training: scores are cosine similarities divided by it; null for 0.05.</summary>
    public float? Temperature { get; init; }

    /// <summary>Seed of the weights of a new head.</summary>
    public ulong Seed { get; init; } = DefaultSeed.Value;

    /// <summary>Paths of parameters that an adapter's file has, so that they are not random once it is loaded.</summary>
    internal IReadOnlyCollection<string> Saved { get; init; } = [];
}
