using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft.AdaLora;

/// <summary>AdaLoRA (Zhang et al. 2023) on one linear layer: y = x·Wᵀ + b + α/r·((x·Aᵀ)∘e)·Bᵀ. B·diag(e)·A is a trained singular value
/// decomposition: e are the singular values, and a penalty keeps A's rows and B's columns orthonormal. <see cref="RankAllocator"/> prunes
/// directions by setting their e to zero; the file omits them.</summary>
internal sealed class AdaLoraAdapter : LowRankAdapter
{
    /// <summary>Added to the rank in the divisor of the scale, α/(r + 1e-5), as in Hugging Face PEFT.</summary>
    private const float RankOffset = 1e-5f;

    private readonly float _scale;

    public AdaLoraAdapter(AttachContext context, AdaLoraConfig config, string path, Linear layer, ulong site)
        : base(layer, new LayerDropout(layer, (float)config.Dropout, site))
    {
        Path = path;
        int rank = RankMask(config) is { } kept ? kept.Count(flag => flag) : config.InitialRank;
        _scale = Hyperparameters.Scale("lora_alpha", path, (config.Alpha > 0 ? (float)config.Alpha : config.InitialRank) /
            (config.InitialRank + RankOffset));
        A = context.NewParameter([rank, layer.Inputs]).Normal(0, config.InitWeights ? 0.02f : 1, context.Seed, 3 * site);
        B = context.NewParameter([layer.Outputs, rank]).Normal(0, config.InitWeights ? 0.02f : 1, context.Seed, 3 * site + 1);
        E = context.NewParameter([rank, 1]);
        _ = config.InitWeights ? E.Zero() : E.Normal(0, 1, context.Seed, 3 * site + 2);
    }

    public string Path { get; }

    /// <summary>(r, in)</summary>
    public Parameter A { get; }

    /// <summary>(out, r)</summary>
    public Parameter B { get; }

    /// <summary>(r, 1)</summary>
    public Parameter E { get; }

    /// <summary>True for each direction that is not pruned; null if none is pruned.</summary>
    public bool[]? Mask { get; set; }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "lora_A.{0}", "lora_A", A), new("", "lora_B.{0}", "lora_B", B), new("", "lora_E.{0}", "lora_E", E)];

    /// <summary>The key of this layer in <see cref="AdaLoraConfig.RankPattern"/>.</summary>
    public string PatternKey => Path + ".lora_E";

    public override IEnumerable<SavedEntry> Entries(string path) => Mask is null || Array.TrueForAll(Mask, kept => kept)
        ? base.Entries(path)
        : Parameters.Select(parameter => SavedEntry.Of(parameter with { Path = path }))
        .Select(entry => entry with { ToFile = () => Sliced(entry.Name) });

    protected override LowRankUpdate Update(DropoutKey dropout) =>
        new(A.Value, B.Value, _scale, Dropout: dropout, Diagonal: E.Value.Reshape([E.Shape[0]]));

    private IReadOnlyList<bool>? RankMask(AdaLoraConfig config) => config.RankPattern?.GetValueOrDefault(PatternKey);

    /// <summary>A parameter without its pruned directions, as the file holds it.</summary>
    private SafetensorsTensor Sliced(string name)
    {
        int rank = E.Shape[0], kept = Mask!.Count(flag => flag);
        bool isB = name.EndsWith("lora_B", StringComparison.Ordinal);
        var parameter = isB ? B : name.EndsWith("lora_A", StringComparison.Ordinal) ? A : E;
        float[] values = parameter.Value.ToArray<float>();
        int width = isB ? 1 : parameter.Shape[1];
        float[] some = [.. values.Chunk(width).Where((_, i) => Mask![i % rank]).SelectMany(part => part)];
        return SafetensorsTensor.Of(name, "F32", isB ? [parameter.Shape[0], kept] : [kept, parameter.Shape[1]], some);
    }
}
