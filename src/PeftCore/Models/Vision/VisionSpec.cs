using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>A vision transformer as a row of sizes and switches: what a family's configuration says.</summary>
internal sealed record VisionSpec
{
    /// <summary>model_type of config.json.</summary>
    public required string ModelType { get; init; }

    /// <summary>The name of the bare model inside a model with a head, such as "vit".</summary>
    public required string Body { get; init; }

    /// <summary>The pictures.</summary>
    public required PictureSpec Picture { get; init; }

    /// <summary>The blocks.</summary>
    public required PreNormSpec Blocks { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>The list of blocks.</summary>
    public string LayersPath { get; init; } = "layers";

    /// <summary>Whether the weights have a token for masked patches, which nothing here reads.</summary>
    public bool HasMaskToken { get; init; }

    /// <summary>Whether a picture is classified by its class token and the mean of its patches, and not by the class token alone.</summary>
    public bool PoolsPatches { get; init; }

    /// <summary>Outputs of the pooler of the bare model; 0 without one.</summary>
    public int PoolerSize { get; init; }

    /// <summary>The pooler's activation: one of <see cref="Activations.Names"/>.</summary>
    public string PoolerActivation { get; init; } = "tanh";

    /// <summary>The names that modules have in files; null if they are the names here.</summary>
    public RenamedModules? Renamed { get; init; }
}
