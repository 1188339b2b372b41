using System.Text.Json;

namespace PeftCore.Peft.Bottlenecks;

/// <summary>Hyperparameters of bottleneck adapters: small networks with residual connections between the layers of the base (Houlsby et al.
/// 2019). Fields and architectures have AdapterHub's names. Models here normalise before a sublayer, so the options about the base's own
/// norm move sums only, as there.</summary>
public sealed record BottleneckConfig : PeftConfig
{
    private const string Unsupported = "asks for a variant of bottleneck adapters that is not supported";

    /// <inheritdoc/>
    public override string PeftType => "BOTTLENECK";

    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<BottleneckConfig> Fields { get; } = new ConfigFields<BottleneckConfig>(new())
        .Refused("phm_layer", IsAsked, Unsupported)
        .Refused("inv_adapter", IsAsked, Unsupported)
        .Refused("cross_adapter", IsAsked, Unsupported)
        .Refused("stochastic_depth", IsAsked, Unsupported)
        // The other fields' defaults are those of the architecture, so it is read first.
        .Choice("architecture", c => c.Architecture, (_, v) => Of(v), "Architecture whose values the other fields default to.",
            ("seq_bn", "seq_bn"), ("double_seq_bn", "double_seq_bn"), ("par_bn", "par_bn"))
        .Common()
        .Bool("mh_adapter", c => c.MhAdapter, (c, v) => c with { MhAdapter = v }, "A bottleneck behind the attention of each block.")
        .Bool("output_adapter", c => c.OutputAdapter, (c, v) => c with { OutputAdapter = v },
            "A bottleneck behind the feed-forward network of each block.")
        .Add(BottleneckFields.ReductionFactor)
        .Add(BottleneckFields.NonLinearity)
        .Bool("original_ln_before", c => c.OriginalLnBefore, (c, v) => c with { OriginalLnBefore = v },
            "The bottleneck reads the sum of the residual stream and the sublayer's output, not the output alone.")
        .Bool("original_ln_after", c => c.OriginalLnAfter, (c, v) => c with { OriginalLnAfter = v },
            "The residual stream is added behind the bottleneck.")
        .Bool("ln_before", c => c.LnBefore, (c, v) => c with { LnBefore = v }, "A new norm before the bottleneck.")
        .Bool("ln_after", c => c.LnAfter, (c, v) => c with { LnAfter = v }, "A new norm behind the bottleneck.")
        .Choice("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Initialisation: bert and houlsby start near the base, mam_adapter at it.",
            ("bert", BottleneckInit.Bert), ("mam_adapter", BottleneckInit.MamAdapter), ("houlsby", BottleneckInit.Houlsby))
        .Bool("is_parallel", c => c.IsParallel, (c, v) => c with { IsParallel = v },
            "The bottleneck runs beside the sublayer on the same input, not behind it.")
        .Add(BottleneckFields.Scaling)
        .Bool("use_gating", c => c.UseGating, (c, v) => c with { UseGating = v },
            "A trained gate: the mean over the sequence of a sigmoid.")
        .Add(BottleneckFields.ResidualBeforeLn)
        .Bool("adapter_residual_before_ln", c => c.AdapterResidualBeforeLn, (c, v) => c with { AdapterResidualBeforeLn = v },
            "That is added before the new norm rather than behind it.")
        .Ints("leave_out", c => c.LeaveOut, (c, v) => c with { LeaveOut = v }, "Numbers of the blocks without a bottleneck, from 0.")
        .Fraction("dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the bottleneck's output.");

    /// <inheritdoc/>
    public override ConfigValues FieldValues => Fields.Of(this);

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

    /// <summary>Whether a field of an unsupported variant asks for it: it is neither false nor 0.</summary>
    private static bool IsAsked(JsonElement value) =>
        value.ValueKind != JsonValueKind.False && !(value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0);

    internal override Adapter AttachTo(AttachContext context)
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
