using System.Text.Json.Nodes;

namespace PeftCore.Peft.Bottlenecks;

/// <summary>Hyperparameters of bottleneck adapters: small networks with residual connections between the layers of the base (Houlsby et al.
/// 2019). Fields and architectures have AdapterHub's names. Models here normalise before a sublayer, so the options about the base's own
/// norm move sums only, as there.</summary>
public sealed record BottleneckConfig : PeftConfig
{
    /// <inheritdoc/>
    public override string PeftType => "BOTTLENECK";

    /// <summary>The architecture these settings began as: "seq_bn", "double_seq_bn" or "par_bn".</summary>
    public string Architecture { get; init; } = "seq_bn";

    /// <summary>A bottleneck behind the attention of each block.</summary>
    public bool MhAdapter { get; init; }

    /// <summary>A bottleneck behind the feed-forward network of each block.</summary>
    public bool OutputAdapter { get; init; } = true;

    /// <summary>Hidden size of the model over that of the bottleneck.</summary>
    public double ReductionFactor { get; init; } = 16;

    /// <summary>Reduction factors of single blocks by their number, counted from 0.</summary>
    public IReadOnlyDictionary<int, double> ReductionFactors { get; init; } = new Dictionary<int, double>();

    /// <summary>What stands between the two maps: relu, gelu, gelu_new, quick_gelu, swish (or silu), tanh, sigmoid, relu2.</summary>
    public string NonLinearity { get; init; } = "relu";

    /// <summary>The bottleneck reads the sum of the stream and the sublayer's output, not the output alone.</summary>
    public bool OriginalLnBefore { get; init; } = true;

    /// <summary>The stream is added behind the bottleneck.</summary>
    public bool OriginalLnAfter { get; init; } = true;

    /// <summary>A new norm before the bottleneck.</summary>
    public bool LnBefore { get; init; }

    /// <summary>A new norm behind it.</summary>
    public bool LnAfter { get; init; }

    /// <summary>How the maps start.</summary>
    public BottleneckInit InitWeights { get; init; }

    /// <summary>The bottleneck runs beside the sublayer on the same stream, not behind it.</summary>
    public bool IsParallel { get; init; }

    /// <summary>What the output is multiplied by.</summary>
    public BottleneckScaling Scaling { get; init; }

    /// <summary>The constant it is multiplied by.</summary>
    public double ScalingFactor { get; init; } = 1;

    /// <summary>A gate that trains: the mean over the sequence of a sigmoid.</summary>
    public bool UseGating { get; init; }

    /// <summary>What is added around a sequential bottleneck.</summary>
    public BottleneckResidual ResidualBeforeLn { get; init; }

    /// <summary>That is added before the new norm rather than behind it.</summary>
    public bool AdapterResidualBeforeLn { get; init; }

    /// <summary>Numbers of blocks without a bottleneck.</summary>
    public IReadOnlyList<int> LeaveOut { get; init; } = [];

    /// <summary>Dropout on the output.</summary>
    public double Dropout { get; init; }

    /// <summary>One bottleneck a block, behind the feed-forward network (Pfeiffer et al. 2021).</summary>
    public static BottleneckConfig SeqBn { get; } = new();

    /// <summary>Two bottlenecks a block (Houlsby et al. 2019).</summary>
    public static BottleneckConfig DoubleSeqBn { get; } = new()
    {
        Architecture = "double_seq_bn", MhAdapter = true, NonLinearity = "swish", OriginalLnBefore = false,
    };

    /// <summary>One bottleneck a block beside the feed-forward network (He et al. 2022).</summary>
    public static BottleneckConfig ParBn { get; } = new()
    {
        Architecture = "par_bn", ReductionFactor = 2, OriginalLnBefore = false, InitWeights = BottleneckInit.MamAdapter, IsParallel = true,
        ScalingFactor = 4,
    };

    internal override bool StartsAsBase => InitWeights == BottleneckInit.MamAdapter && IsParallel && !LnAfter && OriginalLnAfter;

    /// <summary>The settings of an architecture.</summary>
    internal static BottleneckConfig Of(string architecture) => architecture switch
    {
        "double_seq_bn" => DoubleSeqBn,
        "par_bn" => ParBn,
        _ => SeqBn,
    };

    internal override void Write(JsonObject json) => BottleneckFields.Write(this, json);

    internal override Adapter Attach(AttachContext context)
    {
        BottleneckFields.Check(this, context.Base.LayerCount);
        var adapter = context.NewAdapter(this);
        for (int block = 0; block < context.Base.LayerCount; block++)
        {
            if (LeaveOut.Contains(block))
            {
                continue;
            }
            var sums = context.Base.ResidualsOf(block);
            string path = context.Base.NamedModules().First(module => module.Module == sums.Block).Path;
            int width = Math.Max(1, (int)Math.Floor(context.Base.HiddenSize / ReductionFactors.GetValueOrDefault(block, ReductionFactor)));
            if (MhAdapter)
            {
                adapter.Residuals.Add(new(path + ".attention_adapters", sums.Attention, new Bottleneck(context, this, width, 2 * block)));
            }
            if (OutputAdapter)
            {
                adapter.Residuals.Add(new(path + ".output_adapters", sums.FeedForward,
                    new Bottleneck(context, this, width, 2 * block + 1)));
            }
        }
        return adapter;
    }
}
