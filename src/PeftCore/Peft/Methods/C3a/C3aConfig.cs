using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.C3a;

/// <summary>How C³A's kernels start.</summary>
public enum C3aInit
{
    /// <summary>Uniform by Glorot and Bengio's rule.</summary>
    XavierUniform,

    /// <summary>Uniform by He's rule.</summary>
    KaimingUniform,

    /// <summary>Standard normal.</summary>
    Gaussian,

    /// <summary>Zero: the adapter starts as the identity.</summary>
    Zero,
}

/// <summary>Hyperparameters of C³A (Chen et al. 2024, circular convolution adaptation). Defaults are Hugging Face's.</summary>
public sealed record C3aConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public C3aConfig()
    {
    }

    private C3aConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "C3A";

    /// <summary>b, side of the circulant blocks; divides inputs and outputs. The larger, the fewer parameters.</summary>
    public int BlockSize { get; init; } = 256;

    /// <summary>Block sizes that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> BlockSizePattern { get; init; } = [];

    /// <summary>How the kernels start.</summary>
    public C3aInit Init { get; init; }

    internal override TargetFields Fields => TargetFields.Layers;

    internal override string BiasOfTargets => "c3a_only";

    internal override bool StartsAsBase => Init == C3aInit.Zero;

    internal static C3aConfig Read(ConfigReader config)
    {
        var (init, problem) = ConfigFields.Start(config, "init_weights", "xavier_uniform", "gaussian", "kaiming_uniform", "xavier_uniform");
        return Read(config, init) with { StartProblem = problem };
    }

    private static C3aConfig Read(ConfigReader config, string init) => new(config)
    {
        BlockSize = config.Int("block_size", 256, min: 1),
        BlockSizePattern = ConfigFields.IntPattern(config, "block_size_pattern"),
        Init = init switch
        {
            "true" => C3aInit.Zero,
            "gaussian" => C3aInit.Gaussian,
            "kaiming_uniform" => C3aInit.KaimingUniform,
            _ => C3aInit.XavierUniform,
        },
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["block_size"] = BlockSize;
        json["block_size_pattern"] = ConfigFields.ToJson(BlockSizePattern);
        json["init_weights"] = Init switch
        {
            C3aInit.Zero => true,
            C3aInit.Gaussian => "gaussian",
            C3aInit.KaimingUniform =>
            "kaiming_uniform",
            _ => "xavier_uniform"
        };
    }

    internal override Adapter Attach(AttachContext context) =>
        new TargetedLayers(context, this).Attach((path, layer, site) => new C3aAdapter(context, this, path, layer, site));
}
